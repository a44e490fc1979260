#![doc = include_str!("../README.md")]
#![warn(missing_docs, clippy::missing_errors_doc)]

use hyperloglogplus::{HyperLogLog, HyperLogLogPlus};

mod accuracy;
mod digest;
mod distinct;
mod encoding;
mod estimate;
mod identity_hasher;
mod sparse;
mod union;

pub use accuracy::{Accuracy, LISTED_CONFIDENCE, LISTED_ERROR_MAX, RELATIVE_STD_ERROR};
pub use digest::{Digest, KeyId};
pub use distinct::{Bounds, Count, INTERVAL_CONFIDENCE, Members};
pub use encoding::CorruptSketch;
pub use union::{NotAdded, Union};

use identity_hasher::IdentityHasher;

/// Number of bits of a digest that select its register.
pub const PRECISION: u8 = 14;

type Registers = HyperLogLogPlus<u64, IdentityHasher>;

/// A set of users whose size can be estimated.
#[derive(Debug, Clone)]
pub struct Sketch {
    key_id: KeyId,
    registers: Registers,
}

/// A sketch as it is stored: its bytes and its count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSketch {
    /// Canonical bytes: equal sets under equal keys have equal bytes.
    pub bytes: Vec<u8>,
    /// Estimated number of users, which never falls when users are added.
    pub users: u64,
    /// Estimated number of users as folds before version 5 store it. It can fall where the way of counting changes.
    pub plain_users: u64,
    /// Accuracy of the count.
    pub accuracy: Accuracy,
}

/// Error about sketches of different keys, whose digests have nothing in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sketches of keys {left} and {right} cannot be merged")]
pub struct KeysDiffer {
    left: KeyId,
    right: KeyId,
}

impl Sketch {
    /// An empty sketch.
    pub fn new(key_id: KeyId) -> Self {
        let registers = HyperLogLogPlus::new(PRECISION, IdentityHasher).expect("14 is within 4..=18");
        Self { key_id, registers }
    }

    /// Adds a user, whose digest must be of the sketch's key. A user who is in the set already changes nothing.
    pub fn insert(&mut self, user: Digest) {
        self.registers.insert(&user.0);
    }

    /// Adds all users of another sketch.
    ///
    /// # Errors
    ///
    /// The other sketch has another key.
    pub fn merge(&mut self, other: &Self) -> Result<(), KeysDiffer> {
        if self.key_id != other.key_id {
            return Err(KeysDiffer { left: self.key_id, right: other.key_id });
        }
        self.registers.merge(&other.registers).expect("all sketches have one precision");
        Ok(())
    }

    /// Returns the bytes to store and the count to show.
    pub fn seal(&mut self) -> SealedSketch {
        // Must come before the registers are read: `count` moves recently inserted users, in no particular order, into the
        // sorted list, and only then the registers are canonical.
        let estimate = self.registers.count();
        let layout = encoding::Layout::of(&self.registers);
        let accuracy = layout.accuracy();
        let users = whole(estimate::monotone(estimate, accuracy, layout.empty_registers()));
        let plain_users = whole(estimate::plain(estimate, accuracy));
        SealedSketch { bytes: layout.to_bytes(self.key_id), users, plain_users, accuracy }
    }

    /// Reads a stored sketch.
    ///
    /// # Errors
    ///
    /// The bytes are not a complete, undamaged sketch.
    pub fn open(bytes: &[u8]) -> Result<Self, CorruptSketch> {
        encoding::read(bytes)
    }

    /// Whether adding a user surely leaves a stored sketch unchanged. It is known only of sketches with registers, which
    /// rarely change; opening one costs a hundred times as much.
    pub fn stored_has(bytes: &[u8], user: Digest) -> bool {
        encoding::has(bytes, user.0)
    }

    /// Id of the key of the digests.
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
