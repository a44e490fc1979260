//! Ids and the slots that they were last seen in, in little memory.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::LazyLock;

use contract::EventDigest;

/// Tables for the ids. Their shares of the ids rise evenly from one to two, so that they double one after the other:
/// taken together they are about two thirds full, whatever the number of ids, and while one doubles, the old and the
/// new half of only one are there.
const SHARDS: usize = 64;

/// Values of the bits that choose a shard.
const CHOICES: usize = 1 << 12;

/// The shard of each choice.
static SHARD_OF: LazyLock<Vec<u8>> = LazyLock::new(|| {
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 64")]
    let shard = |choice| (SHARDS as f64 * (1.0 + choice as f64 / CHOICES as f64).log2()) as u8;
    (0..CHOICES).map(shard).collect()
});

/// 10 bytes an id and one of bookkeeping, in tables that are two thirds full: 17 to 18 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IdTable(Vec<HashMap<Key, [u8; 2], BuildHasherDefault<IdentityHasher>>>);

impl IdTable {
    pub(super) fn new() -> Self {
        Self(vec![HashMap::default(); SHARDS])
    }

    /// Notes a slot, and answers the one that was noted before.
    pub(super) fn insert(&mut self, id: EventDigest, slot: [u8; 2]) -> Option<[u8; 2]> {
        self.0[shard_of(id)].insert(Key(id.0.to_le_bytes()), slot)
    }

    /// Notes a slot unless a later one is noted, by their ages; answers whether the note is a new one.
    pub(super) fn insert_latest(&mut self, id: EventDigest, slot: [u8; 2], age: impl Fn([u8; 2]) -> u64) -> bool {
        match self.0[shard_of(id)].entry(Key(id.0.to_le_bytes())) {
            Entry::Vacant(vacant) => {
                vacant.insert(slot);
                true
            }
            Entry::Occupied(noted) if *noted.get() == slot => false,
            Entry::Occupied(mut noted) => {
                if age(slot) < age(*noted.get()) {
                    noted.insert(slot);
                }
                true
            }
        }
    }

    /// Keeps those of certain slots; answers how many are gone.
    pub(super) fn retain(&mut self, is_kept: impl Fn([u8; 2]) -> bool) -> u64 {
        let before = self.len();
        for shard in &mut self.0 {
            shard.retain(|_, slot| is_kept(*slot));
        }
        (before - self.len()) as u64
    }

    /// The ids of one slot.
    pub(super) fn of_slot(&self, slot: [u8; 2]) -> Vec<EventDigest> {
        let ids = self.0.iter().flatten().filter(|(_, noted)| **noted == slot);
        ids.map(|(Key(id), _)| EventDigest(u64::from_le_bytes(*id))).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(HashMap::len).sum()
    }
}

fn shard_of(id: EventDigest) -> usize {
    // Bits from the middle: the tables themselves use the lowest and the highest.
    let [.., low, high, _, _, _] = id.0.to_le_bytes();
    let choice = usize::from(u16::from_le_bytes([low, high])) % CHOICES;
    usize::from(SHARD_OF[choice])
}

/// A digest as bytes: aligned to one byte, an entry of the table needs no padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key([u8; 8]);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(u64::from_le_bytes(self.0));
    }
}

/// Digests are well mixed already.
#[derive(Debug, Default, Clone, Copy)]
struct IdentityHasher(u64);

impl Hasher for IdentityHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, digest: u64) {
        self.0 = digest;
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("a digest is a u64");
    }
}
