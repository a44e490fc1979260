//! Several stored sketches, merged without each being opened: a report on a year has hundreds of them.

use super::stored::{self, Parts};
use super::{CorruptSketch, KeysDiffer, Sketch};
use crate::digest::KeyId;

/// Users of several sketches, each counted once.
#[derive(Debug, Default)]
pub struct Union {
    key_id: Option<KeyId>,
    /// Those that are lists.
    listed: Option<Sketch>,
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
        match stored::parts(stored)? {
            Parts::Registers(key_id, words) => {
                self.check(key_id)?;
                match &mut self.words {
                    None => self.words = Some(words.collect()),
                    Some(known) => known.iter_mut().zip(words).for_each(|(one, other)| *one = larger(*one, other)),
                }
            }
            Parts::List => {
                let sketch = Sketch::open(stored)?;
                self.check(sketch.key_id())?;
                match &mut self.listed {
                    None => self.listed = Some(sketch),
                    Some(known) => known.merge(&sketch)?,
                }
            }
        }
        Ok(())
    }

    /// The sketch of all users; none, if nothing was added.
    ///
    /// # Errors
    ///
    /// One of the sketches had registers that cannot be.
    pub fn into_sketch(self) -> Result<Option<Sketch>, CorruptSketch> {
        let Some(key_id) = self.key_id else { return Ok(None) };
        let Some(words) = self.words else { return Ok(self.listed) };
        let mut sketch = stored::from_words(key_id, words)?;
        if let Some(listed) = &self.listed {
            sketch.merge(listed).expect("all were made under one key");
        }
        Ok(Some(sketch))
    }

    fn check(&mut self, key_id: KeyId) -> Result<(), KeysDiffer> {
        let known = *self.key_id.get_or_insert(key_id);
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
