//! Union of stored sketches, without opening each: a report on a year has hundreds of them.

use crate::encoding::{self, Parts};
use crate::sparse::{self, List};
use crate::{CorruptSketch, KeyId, KeysDiffer, Sketch};

/// Codes that are collected before duplicates are removed: some lists, 64 KB. Sorting more at once takes longer than it saves.
const CODES_MAX: usize = 1 << 14;

/// Union of the users of several sketches.
#[derive(Debug, Default)]
pub struct Union {
    key_id: Option<KeyId>,
    /// Codes of lists, while the union may still be a list.
    codes: Vec<u32>,
    /// Packed registers, once the union is no list.
    words: Option<Vec<u32>>,
}

/// Reason for which a sketch cannot be added to a union.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAdded {
    /// The sketch is damaged.
    #[error(transparent)]
    Corrupt(#[from] CorruptSketch),
    /// The sketch has another key than those before.
    #[error(transparent)]
    KeysDiffer(#[from] KeysDiffer),
}

impl Union {
    /// Adds all users of a stored sketch.
    ///
    /// # Errors
    ///
    /// The sketch is damaged or has another key; the union is unchanged.
    pub fn add(&mut self, stored: &[u8]) -> Result<(), NotAdded> {
        let (key_id, parts) = encoding::parts(stored)?;
        self.check(key_id)?;
        match parts {
            Parts::Registers(body) => self.add_words(encoding::words(body)?),
            Parts::List(body) => self.add_codes(sparse::read(body)?)?,
        }
        self.key_id = Some(key_id);
        Ok(())
    }

    fn add_words(&mut self, words: impl Iterator<Item = u32>) {
        match &mut self.words {
            None => self.words = Some(words.collect()),
            Some(known) => known.iter_mut().zip(words).for_each(|(one, other)| *one = larger(*one, other)),
        }
    }

    fn add_codes(&mut self, codes: impl Iterator<Item = Result<u32, CorruptSketch>>) -> Result<(), CorruptSketch> {
        let before = self.codes.len();
        for code in codes {
            match code {
                Ok(code) => self.codes.push(code),
                Err(err) => {
                    self.codes.truncate(before);
                    return Err(err);
                }
            }
        }
        if self.words.is_some() || self.codes.len() > CODES_MAX {
            self.compact();
        }
        Ok(())
    }

    /// Removes duplicate codes, or moves all codes into registers if they are too many for a list. The limit must be that of
    /// `hyperloglogplus`, because equal sets have equal bytes.
    fn compact(&mut self) {
        if self.words.is_none() {
            self.codes.sort_unstable();
            self.codes.dedup();
            if List::of(&self.codes).is_some() {
                return;
            }
        }
        let words = self.words.get_or_insert_with(encoding::no_words);
        for code in self.codes.drain(..) {
            encoding::raise(words, code);
        }
    }

    /// The sketch of all users; `None` if nothing was added.
    ///
    /// # Errors
    ///
    /// A sketch had impossible registers.
    pub fn into_sketch(mut self) -> Result<Option<Sketch>, CorruptSketch> {
        let Some(key_id) = self.key_id else { return Ok(None) };
        self.compact();
        match self.words {
            Some(words) => encoding::from_words(key_id, words).map(Some),
            None => Ok(encoding::from_codes(key_id, &self.codes)),
        }
    }

    fn check(&self, key_id: KeyId) -> Result<(), KeysDiffer> {
        let known = self.key_id.unwrap_or(key_id);
        if known == key_id { Ok(()) } else { Err(KeysDiffer { left: known, right: key_id }) }
    }
}

/// Compares the five registers of two words at once, and returns the larger of each pair.
///
/// Every second register is masked out, so that each has a free bit above it. That bit is set and the other register
/// subtracted; the bit remains exactly where the other register was not larger.
fn larger(one: u32, other: u32) -> u32 {
    const EVEN: u32 = 0x3f03_f03f;
    const ROOM: u32 = 0x4004_0040;
    let lanes = |one: u32, other: u32| {
        let is_not_less = ((one | ROOM) - other) & ROOM;
        let mask = is_not_less - (is_not_less >> 6);
        (one & mask) | (other & !mask)
    };
    lanes(one & EVEN, other & EVEN) | lanes((one >> 6) & EVEN, (other >> 6) & EVEN) << 6
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn word() -> impl Strategy<Value = [u32; 5]> {
        prop::array::uniform5(0u32..64)
    }

    fn packed(registers: [u32; 5]) -> u32 {
        (0..).zip(registers).map(|(index, register)| register << (6 * index)).sum()
    }

    proptest! {
        #[test]
        fn each_register_is_the_larger_of_both(one in word(), other in word()) {
            let both = std::array::from_fn(|index| one[index].max(other[index]));
            prop_assert_eq!(larger(packed(one), packed(other)), packed(both));
        }
    }
}
