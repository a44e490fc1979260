//! Digests of user ids and event ids, under a secret key of the deployment.
//!
//! With a public hash, 16,384 chosen ids could count as ten million users. With a secret key ids cannot be chosen.

use std::fmt;
use std::hash::Hasher;
use std::str::FromStr;

use siphasher::sip::SipHasher13;

pub use sketch::{Digest, KeyId};

use crate::field::{EventId, SiteId, UserId};

/// Digest by which a repeated event is recognized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventDigest(pub u64);

/// Secret key of a deployment, 128 bits. A new key needs a new generation.
#[derive(Clone)]
pub struct SketchKey {
    hasher: SipHasher13,
}

/// Error about a text that is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sketch key has 32 hexadecimal digits; `openssl rand -hex 16` makes one")]
pub struct InvalidSketchKey;

impl SketchKey {
    /// The public key for development, about which operators are warned.
    pub fn for_development() -> Self {
        Self::from_bytes(*b"for development!")
    }

    /// The key of these 16 bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self { hasher: SipHasher13::new_with_key(&bytes) }
    }

    /// Digest of a user id: SipHash-1-3 of its bytes, on every machine the same.
    pub fn digest(&self, user_id: &UserId<'_>) -> Digest {
        Digest::from_bits(self.hasher.hash(user_id.as_str().as_bytes()))
    }

    /// Digest of an event: SipHash-1-3 of its site and id. Among ten million events, any two different ones collide with a
    /// probability of one in 370,000.
    pub fn event_digest(&self, site_id: &SiteId<'_>, event_id: &EventId<'_>) -> EventDigest {
        let mut hasher = self.hasher;
        // Neither text contains a NUL, so the input is unambiguous; and no user id begins with one.
        for part in [b"\0event".as_slice(), site_id.as_str().as_bytes(), b"\0", event_id.as_str().as_bytes()] {
            hasher.write(part);
        }
        EventDigest(hasher.finish())
    }

    /// Public id of the key.
    pub fn id(&self) -> KeyId {
        // The NUL separates it from the digests of user ids.
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn digests_never_change() {
        let key: SketchKey = "000102030405060708090a0b0c0d0e0f".parse().expect("a key");
        let digest = |user: &'static str| key.digest(&UserId::try_from(user).expect("a user")).to_bits();
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
        assert_eq!(key.digest(&UserId::try_from("user-1").expect("a user")).to_bits(), 0xc45d_6ad4_8d0c_4725);
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
