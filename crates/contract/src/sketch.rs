//! Sketches: how many different users, in 13 KB or less.
//!
//! A HyperLogLog++ of precision 14: exact to about 5,900 users, then with 0.81 % standard error. Sketches of equal sets
//! have equal bytes, in whatever order and through whatever merges they came about; a rebuild proves itself by that.

use hyperloglogplus::{HyperLogLog, HyperLogLogPlus};

use crate::digest::{Digest, KeyId};

/// How a sketch lies in a column.
mod stored;

/// The users of one that is a list.
mod codes;

/// Several stored sketches, merged.
mod union;

/// The same, with what is known of how many they are.
mod members;

/// How close a count comes to the truth.
mod accuracy;

/// The number that is shown.
mod estimate;

/// A hasher that passes digests through.
mod pass_through;

pub use accuracy::{Accuracy, LISTED_CONFIDENCE, LISTED_ERROR_MAX, RELATIVE_STD_ERROR};
pub use members::{Bounds, Count, INTERVAL_CONFIDENCE, Members};
pub use stored::CorruptSketch;
pub use union::{NotAdded, Union};

use pass_through::PassThrough;

/// Bits of a digest that choose its register.
pub const PRECISION: u8 = 14;

type Registers = HyperLogLogPlus<u64, PassThrough>;

/// A set of users, of which only the size can be asked.
#[derive(Debug, Clone)]
pub struct Sketch {
    key_id: KeyId,
    registers: Registers,
}

/// A sketch as it is written down: its bytes, and what it counts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSketch {
    /// Canonical: equal sets under equal keys have equal bytes.
    pub bytes: Vec<u8>,
    /// The estimate of the number of users. More users never make it smaller.
    pub users: u64,
    /// The number of users as folds before version 5 store it: where the way of counting changes, it can fall.
    pub plain_users: u64,
    /// How close that comes to the truth.
    pub accuracy: Accuracy,
}

/// Two sketches were made under different keys: their digests have nothing to do with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sketches of keys {left} and {right} cannot be merged")]
pub struct KeysDiffer {
    left: KeyId,
    right: KeyId,
}

impl Sketch {
    /// No users yet.
    pub fn new(key_id: KeyId) -> Self {
        let registers = HyperLogLogPlus::new(PRECISION, PassThrough).expect("14 is within 4..=18");
        Self { key_id, registers }
    }

    /// Adds a user; one that is in already changes nothing. The digest must be of the sketch's key.
    pub fn insert(&mut self, user: Digest) {
        self.registers.insert(&user.0);
    }

    /// Adds all users of another sketch.
    ///
    /// # Errors
    ///
    /// The other was made under another key.
    pub fn merge(&mut self, other: &Self) -> Result<(), KeysDiffer> {
        if self.key_id != other.key_id {
            return Err(KeysDiffer { left: self.key_id, right: other.key_id });
        }
        self.registers.merge(&other.registers).expect("all sketches have one precision");
        Ok(())
    }

    /// The bytes to store and the number to show.
    pub fn seal(&mut self) -> SealedSketch {
        // Must come before the registers are looked at: only then are they canonical, because it folds what was
        // inserted since the last time, and in no particular order, into the sorted list.
        let estimate = self.registers.count();
        let layout = stored::Layout::of(&self.registers);
        let accuracy = layout.accuracy();
        let users = whole(estimate::monotone(estimate, accuracy, layout.empty_registers()));
        let plain_users = whole(estimate::plain(estimate, accuracy));
        SealedSketch { bytes: layout.to_bytes(self.key_id), users, plain_users, accuracy }
    }

    /// Reads a stored sketch.
    ///
    /// # Errors
    ///
    /// The bytes are no sketch, or not all of one, or damaged.
    pub fn open(bytes: &[u8]) -> Result<Self, CorruptSketch> {
        stored::read(bytes)
    }

    /// Whether a stored sketch would stay as it is if the user was added, as far as can be told without opening it: where
    /// it has registers. Large sketches rarely change, and opening one costs a hundred times as much.
    pub fn stored_has(bytes: &[u8], user: Digest) -> bool {
        stored::has(bytes, user.0)
    }

    /// The key its digests were made with.
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate is between 0 and 2^64")]
fn whole(estimate: f64) -> u64 {
    estimate as u64
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod properties;
