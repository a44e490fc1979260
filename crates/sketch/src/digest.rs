//! Digests of users, and ids of the keys that they are made with.

use std::fmt;

/// Digest of a user under a secret key. It must be well mixed: a sketch uses its bits without hashing them again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub(crate) u64);

/// Public id of a secret key. Sketches of different keys cannot be merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub u32);

impl Digest {
    /// The digest as a number, for storage.
    pub fn to_bits(self) -> u64 {
        self.0
    }

    /// The digest of the number that [`to_bits`](Self::to_bits) returned.
    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}
