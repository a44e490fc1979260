//! User ids, hashed under a key that only the deployment knows.
//!
//! With a hash that everybody can compute, 16,384 chosen ids count as ten million users. With a key they count as what
//! they are.

use std::fmt;
use std::hash::Hasher;
use std::str::FromStr;

use siphasher::sip::SipHasher13;

use crate::field::{EventId, SiteId, UserId};

/// What a sketch remembers a user by. Comes from [`SketchKey::digest`] only, so it is always well mixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub(crate) u64);

/// What an event is recognised by when it comes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventDigest(pub u64);

/// Names a key without giving it away. Sketches of different keys cannot be merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub u32);

/// The deployment's secret of 128 bits. Changing it means a new generation.
#[derive(Clone)]
pub struct SketchKey {
    hasher: SipHasher13,
}

/// A text that is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sketch key has 32 hexadecimal digits; `openssl rand -hex 16` makes one")]
pub struct InvalidSketchKey;

impl Digest {
    /// As a number, for keeping.
    pub fn to_bits(self) -> u64 {
        self.0
    }

    /// From what [`to_bits`](Self::to_bits) gave.
    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

impl SketchKey {
    /// A key that everybody knows: for development, and to be warned about.
    pub fn for_development() -> Self {
        Self::from_bytes(*b"for development!")
    }

    /// The key of these 16 bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self { hasher: SipHasher13::new_with_key(&bytes) }
    }

    /// What a user id is remembered by: SipHash-1-3 of its bytes, the same on every machine.
    pub fn digest(&self, user_id: &UserId<'_>) -> Digest {
        Digest(self.hasher.hash(user_id.as_str().as_bytes()))
    }

    /// What an event is recognised by when it comes again: SipHash-1-3 of its site and id. Of ten million, two that are
    /// different are taken for the same with a probability of one in two million.
    pub fn event_digest(&self, site_id: &SiteId<'_>, event_id: &EventId<'_>) -> EventDigest {
        let mut hasher = self.hasher;
        // Neither text has a NUL in it, so no other pair reads the same; and no user id begins with one.
        for part in [b"\0event".as_slice(), site_id.as_str().as_bytes(), b"\0", event_id.as_str().as_bytes()] {
            hasher.write(part);
        }
        EventDigest(hasher.finish())
    }

    /// The key's name.
    pub fn id(&self) -> KeyId {
        // The NUL keeps it apart from the digest of any user id a browser would send.
        let hash = self.hasher.hash(b"\0name of the key");
        KeyId(u32::try_from(hash >> 32).expect("32 bits remain"))
    }
}

impl fmt::Debug for SketchKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SketchKey").field("id", &self.id()).finish_non_exhaustive()
    }
}

impl FromStr for SketchKey {
    type Err = InvalidSketchKey;

    fn from_str(text: &str) -> Result<Self, InvalidSketchKey> {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let key = is_hex.then(|| u128::from_str_radix(text, 16)).ok_or(InvalidSketchKey)?;
        key.map(|key| Self::from_bytes(key.to_be_bytes())).map_err(|_| InvalidSketchKey)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn digests_never_change() {
        let key: SketchKey = "000102030405060708090a0b0c0d0e0f".parse().expect("a key");
        let digest = |user: &'static str| key.digest(&UserId::try_from(user).expect("a user")).0;
        assert_eq!(
            [digest("user-1"), digest("user-xyz-789"), digest("ü")].map(|digest| format!("{digest:016x}")),
            ["e3ac386a02b793e7", "6bf686e55ec7de1e", "7c4234cac3e5aadd"]
        );
        assert_eq!(key.id().to_string(), "ca327118");
    }

    #[test]
    fn the_digest_is_sip_hash_1_3_of_the_bytes() {
        // Computed by another implementation: keys 1 and 2, text "user-1".
        let key = SketchKey::from_bytes([1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(key.digest(&UserId::try_from("user-1").expect("a user")).0, 0xc45d_6ad4_8d0c_4725);
    }

    #[test]
    fn events_are_told_apart_by_site_and_id() {
        let key = SketchKey::for_development();
        let digest = |site: &'static str, id: &'static str| {
            key.event_digest(&SiteId::try_from(site).expect("a site"), &EventId::try_from(id).expect("an id"))
        };
        let digests = [("a", "b"), ("ab", "b"), ("a", "bb"), ("b", "a")].map(|(site, id)| digest(site, id));
        assert_eq!(BTreeSet::from(digests).len(), digests.len());
        assert_eq!(digest("a", "b"), digests[0]);
    }

    #[test]
    fn a_key_has_32_hexadecimal_digits() {
        for text in [
            "",
            "0",
            "000102030405060708090a0b0c0d0e0g",
            "000102030405060708090a0b0c0d0e0f0",
            "+00102030405060708090a0b0c0d0e0f",
        ] {
            assert!(text.parse::<SketchKey>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_key_is_not_shown() {
        assert!(!format!("{:?}", SketchKey::for_development()).contains("development"));
    }
}
