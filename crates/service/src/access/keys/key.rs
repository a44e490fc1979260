//! Text of a key: `tm_<id>_<secret>`. The id is public; only the client knows the secret.
//!
//! The service stores the SHA-256 of the secret. Passwords need a slow hash because people choose them, so that they can be
//! guessed. 256 random bits cannot be guessed, so one fast hash for each request is enough.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRngCore;
use rand::rngs::OsRng;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

/// Prefix by which people, and scanners for leaked secrets, recognize a key.
const PREFIX: &str = "tm_";

/// Characters of a generated id: 50 bits, so that ids in a file hardly ever collide.
const ID_CHARS: usize = 10;

/// Maximum characters of an id.
const ID_CHARS_MAX: usize = 32;

/// Alphabet of ids: 32 digits and letters without those that look alike, five bits each.
const ID_ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Random bytes of a secret, and characters of their base64url.
const SECRET_BYTES: usize = 32;
const SECRET_CHARS: usize = 43;

/// SHA-256 of a secret, written as 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(in crate::access) struct SecretHash([u8; 32]);

/// A new key. Without `Debug`, because `text` is secret.
pub(in crate::access) struct NewKey {
    /// Public id.
    pub(in crate::access) id: String,
    /// The whole text, for the client.
    pub(in crate::access) text: String,
    /// Hash of the secret, for the file.
    pub(in crate::access) hash: SecretHash,
}

/// A key that a client has sent. Without `Debug`, because it is secret.
pub(in crate::access) struct SentKey<'a> {
    /// Public id.
    pub(in crate::access) id: &'a str,
    secret: &'a str,
}

impl NewKey {
    /// Generates a key from the randomness of the operating system.
    pub(in crate::access) fn generate() -> anyhow::Result<Self> {
        let (mut id, mut secret) = ([0; ID_CHARS], [0; SECRET_BYTES]);
        OsRng.try_fill_bytes(&mut id)?;
        OsRng.try_fill_bytes(&mut secret)?;
        let id: String = id.iter().map(|byte| char::from(ID_ALPHABET[usize::from(byte % 32)])).collect();
        let secret = URL_SAFE_NO_PAD.encode(secret);
        Ok(Self { text: format!("{PREFIX}{id}_{secret}"), hash: SecretHash::of(&secret), id })
    }
}

impl<'a> SentKey<'a> {
    /// Parses the text of a key.
    pub(in crate::access) fn parse(text: &'a str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let is_secret = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let is_key = is_id(id) && secret.len() == SECRET_CHARS && secret.bytes().all(is_secret);
        is_key.then_some(Self { id, secret })
    }

    /// Compares the hash of the secret in constant time.
    pub(in crate::access) fn matches(&self, hash: &SecretHash) -> bool {
        SecretHash::of(self.secret).0.ct_eq(&hash.0).into()
    }
}

/// Whether a text is a valid id: lower-case letters and digits, so that it ends before the `_`.
pub(in crate::access) fn is_id(text: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=ID_CHARS_MAX).contains(&text.len()) && text.bytes().all(is_known)
}

impl SecretHash {
    fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }
}

impl From<SecretHash> for String {
    fn from(digest: SecretHash) -> Self {
        hex(&digest.0)
    }
}

/// Writes each byte as two hexadecimal digits.
pub(in crate::access) fn hex(bytes: &[u8]) -> String {
    let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    halves.map(|half| char::from(b"0123456789abcdef"[usize::from(half)])).collect()
}

impl TryFrom<String> for SecretHash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const RULE: &str = "a SHA-256 has 64 hexadecimal digits";
        let half = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).ok_or(RULE);
        let mut bytes = [0; 32];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return Err(RULE);
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = half(*high)? << 4 | half(*low)?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_itself_and_no_other() {
        let (key, other) = (NewKey::generate().expect("randomness"), NewKey::generate().expect("randomness"));
        assert!(key.id != other.id && key.text != other.text && is_id(&key.id));
        let sent = SentKey::parse(&key.text).expect("a key");
        assert_eq!(sent.id, key.id);
        assert!(sent.matches(&key.hash) && !sent.matches(&other.hash));
    }

    #[test]
    fn what_is_damaged_is_no_key_or_another_one() {
        let key = NewKey::generate().expect("randomness");
        let is_it = |text: &str| SentKey::parse(text).is_some_and(|sent| sent.id == key.id && sent.matches(&key.hash));
        assert!(is_it(&key.text));
        for place in 0..key.text.len() {
            assert!(!is_it(&key.text[..place]), "truncated");
            let mut changed = key.text.clone().into_bytes();
            changed[place] = if changed[place] == b'0' { b'1' } else { b'0' };
            assert!(!is_it(std::str::from_utf8(&changed).expect("ASCII")), "changed at {place}");
        }
        let (begin, secret) = key.text.split_at(key.text.len() - SECRET_CHARS);
        for text in [
            key.text.to_uppercase(),
            key.text.to_lowercase(),
            format!("{begin}{}", secret.chars().rev().collect::<String>()),
            format!(" {}", key.text),
            format!("{}=", key.text),
            format!("{}\0", key.text),
            secret.to_owned(),
        ] {
            assert!(!is_it(&text));
        }
    }

    #[test]
    fn a_digest_is_what_others_say_it_is() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(String::from(SecretHash::of("abc")), abc);
        assert_eq!(SecretHash::try_from(abc.to_uppercase()), Ok(SecretHash::of("abc")));
        for text in ["", "ba", &abc[1..], &format!("{abc}00"), &abc.replace('b', "g"), &abc.replacen("ba", "+1", 1)] {
            assert!(SecretHash::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
