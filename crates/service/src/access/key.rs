//! A key: `tm_<id>_<secret>`. The id is its name and no secret; the secret is known to whoever was given it, and to
//! nobody else.
//!
//! What is stored is the SHA-256 of the secret. A slow hash guards passwords because people choose them, so they can be
//! guessed; 256 random bits cannot, and so each request may be checked at the price of one fast hash.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRngCore;
use rand::rngs::OsRng;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

/// Shows what a text is, to people and to programs that look for secrets in places where none should be.
const PREFIX: &str = "tm_";

/// Characters of an id that was made here: 50 bits, so that two keys of a file hardly ever have the same.
const ID_CHARS: usize = 10;

/// Of an id, whoever made it.
const ID_CHARS_MAX: usize = 32;

/// Digits and letters without those that look like others: 32, so each is five bits.
const ID_ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Random bytes of a secret, and the characters of base64url that they become.
const SECRET_BYTES: usize = 32;
const SECRET_CHARS: usize = 43;

/// What is stored of a secret: its SHA-256, written as 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Digest([u8; 32]);

/// A key that was just made. Has no `Debug`: `text` is secret.
pub(super) struct NewKey {
    /// Its name.
    pub(super) id: String,
    /// All of it, for whoever is to use it.
    pub(super) text: String,
    /// For the file.
    pub(super) digest: Digest,
}

/// A key as it was sent, taken apart. Has no `Debug`, either.
pub(super) struct SentKey<'a> {
    /// Under which it may be known.
    pub(super) id: &'a str,
    secret: &'a str,
}

impl NewKey {
    /// Makes one, from the randomness of the operating system.
    ///
    /// # Errors
    ///
    /// The operating system has none.
    pub(super) fn make() -> anyhow::Result<Self> {
        let (mut id, mut secret) = ([0; ID_CHARS], [0; SECRET_BYTES]);
        OsRng.try_fill_bytes(&mut id)?;
        OsRng.try_fill_bytes(&mut secret)?;
        let id: String = id.iter().map(|byte| char::from(ID_ALPHABET[usize::from(byte % 32)])).collect();
        let secret = URL_SAFE_NO_PAD.encode(secret);
        Ok(Self { text: format!("{PREFIX}{id}_{secret}"), digest: Digest::of(&secret), id })
    }
}

impl<'a> SentKey<'a> {
    /// Takes a text apart, if it has the form of a key.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let is_secret = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let is_key = is_id(id) && secret.len() == SECRET_CHARS && secret.bytes().all(is_secret);
        is_key.then_some(Self { id, secret })
    }

    /// Whether this is the secret of which the digest was taken.
    pub(super) fn is_of(&self, digest: &Digest) -> bool {
        Digest::of(self.secret).0.ct_eq(&digest.0).into()
    }
}

/// Whether a text can be an id: lower case and digits, so that it ends before the `_`.
pub(super) fn is_id(text: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=ID_CHARS_MAX).contains(&text.len()) && text.bytes().all(is_known)
}

impl Digest {
    fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        hex(&digest.0)
    }
}

/// Two digits a byte.
pub(super) fn hex(bytes: &[u8]) -> String {
    let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    halves.map(|half| char::from(b"0123456789abcdef"[usize::from(half)])).collect()
}

impl TryFrom<String> for Digest {
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
        let (key, other) = (NewKey::make().expect("randomness"), NewKey::make().expect("randomness"));
        assert!(key.id != other.id && key.text != other.text && is_id(&key.id));
        let sent = SentKey::parse(&key.text).expect("a key");
        assert_eq!(sent.id, key.id);
        assert!(sent.is_of(&key.digest) && !sent.is_of(&other.digest));
    }

    #[test]
    fn what_is_damaged_is_no_key_or_another_one() {
        let key = NewKey::make().expect("randomness");
        let is_it = |text: &str| SentKey::parse(text).is_some_and(|sent| sent.id == key.id && sent.is_of(&key.digest));
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
        assert_eq!(String::from(Digest::of("abc")), abc);
        assert_eq!(Digest::try_from(abc.to_uppercase()), Ok(Digest::of("abc")));
        for text in ["", "ba", &abc[1..], &format!("{abc}00"), &abc.replace('b', "g"), &abc.replacen("ba", "+1", 1)] {
            assert!(Digest::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
