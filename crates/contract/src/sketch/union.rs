//! Several stored sketches, merged without each being opened: a report on a year has hundreds of them.

use super::codes::{self, List};
use super::stored::{self, Parts};
use super::{CorruptSketch, KeysDiffer, Sketch};
use crate::digest::KeyId;

/// Codes that are kept until each is written once: a few lists full, 64 KB. Sorting more of them at once takes longer than it
/// spares.
const CODES_MAX: usize = 1 << 14;

/// Users of several sketches, each counted once.
#[derive(Debug, Default)]
pub struct Union {
    key_id: Option<KeyId>,
    /// Of those that are lists, while all of them may still be one list.
    codes: Vec<u32>,
    /// The registers of the others, packed as they are stored.
    words: Option<Vec<u32>>,
}

/// A sketch that cannot be added to a union.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAdded {
    /// It is damaged.
    #[error(transparent)]
    Corrupt(#[from] CorruptSketch),
    /// It was made under another key than those before it.
    #[error(transparent)]
    KeysDiffer(#[from] KeysDiffer),
}

impl Union {
    /// Adds all users of a stored sketch.
    ///
    /// # Errors
    ///
    /// See [`NotAdded`]; the union is as it was.
    pub fn add(&mut self, stored: &[u8]) -> Result<(), NotAdded> {
        let (key_id, parts) = stored::parts(stored)?;
        self.check(key_id)?;
        match parts {
            Parts::Registers(body) => self.add_words(stored::words(body)?),
            Parts::List(body) => self.add_codes(codes::read(body)?)?,
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
            self.settle();
        }
        Ok(())
    }

    /// Keeps each code once, or none: where they are too many for a list, or there are registers, they become registers.
    /// What is a list and what is not has to be told as the crate tells it: equal sets have equal bytes.
    fn settle(&mut self) {
        if self.words.is_none() {
            self.codes.sort_unstable();
            self.codes.dedup();
            if List::of(&self.codes).is_some() {
                return;
            }
        }
        let words = self.words.get_or_insert_with(stored::no_words);
        for code in self.codes.drain(..) {
            stored::raise(words, code);
        }
    }

    /// The sketch of all users; none, if nothing was added.
    ///
    /// # Errors
    ///
    /// One of the sketches had registers that cannot be.
    pub fn into_sketch(mut self) -> Result<Option<Sketch>, CorruptSketch> {
        let Some(key_id) = self.key_id else { return Ok(None) };
        self.settle();
        match self.words {
            Some(words) => stored::from_words(key_id, words).map(Some),
            None => Ok(stored::from_codes(key_id, &self.codes)),
        }
    }

    fn check(&self, key_id: KeyId) -> Result<(), KeysDiffer> {
        let known = self.key_id.unwrap_or(key_id);
        if known == key_id { Ok(()) } else { Err(KeysDiffer { left: known, right: key_id }) }
    }
}

/// The larger of two registers, for all five of a word at once.
///
/// Every other register is set aside, so that each has room above it. There a bit is set, the other register
/// subtracted, and the bit is left exactly where that was not larger.
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
