//! Texts, each kept once: sites, types and paths come again and again, and a number is compared faster than a text.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// Number of a text within one batch. It depends on the order of events, and is never stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TextId(pub(super) u32);

/// All texts of a batch.
#[derive(Debug, Default, Clone)]
pub(super) struct Interner {
    /// All texts, concatenated.
    joined: String,
    /// End of each text in `joined`.
    ends: Vec<u32>,
    known: HashTable<TextId>,
    hasher: DefaultHashBuilder,
}

impl Interner {
    /// The name of a text, which is copied only if it is new.
    pub(super) fn intern(&mut self, text: &str) -> TextId {
        let Self { joined, ends, known, hasher } = self;
        let hash = hasher.hash_one(text);
        if let Some(id) = known.find(hash, |id| slice(joined, ends, *id) == text) {
            return *id;
        }
        let id = TextId(as_u32(ends.len()));
        joined.push_str(text);
        ends.push(as_u32(joined.len()));
        known.insert_unique(hash, id, |id| hasher.hash_one(slice(joined, ends, *id)));
        id
    }

    /// The text of a name.
    pub(super) fn get(&self, id: TextId) -> &str {
        slice(&self.joined, &self.ends, id)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes that they take in memory, about.
    pub(super) fn bytes(&self) -> usize {
        self.joined.len() + self.ends.len() * size_of::<u32>() + self.known.allocation_size()
    }
}

pub(super) fn as_u32(number: usize) -> u32 {
    u32::try_from(number).expect("a batch has fewer than 2^32 of anything")
}

fn slice<'a>(joined: &'a str, ends: &[u32], TextId(id): TextId) -> &'a str {
    let begin = id.checked_sub(1).map_or(0, |before| ends[before as usize]);
    &joined[begin as usize..ends[id as usize] as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_name_and_a_name_one_text() {
        let mut texts = Interner::default();
        let written: Vec<String> = (0..1_000).map(|number| format!("/{}", number % 700)).collect();
        let ids: Vec<_> = written.iter().map(|text| texts.intern(text)).collect();
        assert_eq!(ids.iter().map(|id| texts.get(*id)).collect::<Vec<_>>(), written);
        assert_eq!(texts.ends.len(), 700);
        assert_eq!(texts.intern(""), texts.intern(""));
        assert_eq!(texts.ends.len(), 701);
    }
}
