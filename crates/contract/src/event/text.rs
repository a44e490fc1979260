//! JSON strings as text.
//!
//! RFC 8259 allows an escape that stands for half a character, a lone surrogate: browsers write one where a text was cut
//! in the middle of an emoji. No text in UTF-8 has it, so it is read as U+FFFD, as browsers do when they encode text.
//! The log keeps what was sent.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// The character that stands for a lone surrogate, in UTF-8: U+FFFD.
const REPLACEMENT: [u8; 3] = [0xef, 0xbf, 0xbd];

/// The text that a valid JSON string stands for, borrowed where the string has no escapes.
pub(super) fn text(string: &str) -> Cow<'_, str> {
    let content = &string[1..string.len() - 1];
    if !content.contains('\\') {
        return Cow::Borrowed(content);
    }
    Cow::Owned(serde_json::from_str(string).unwrap_or_else(|_| with_replacements(string)))
}

/// Whether a valid JSON string has a lone surrogate.
pub(super) fn has_lone_surrogate(string: &str) -> bool {
    string.contains("\\u") && serde_json::from_str::<Cow<'_, str>>(string).is_err()
}

fn with_replacements(string: &str) -> String {
    let Wtf8(mut bytes) = serde_json::from_str(string).expect("a valid JSON string can be read as bytes");
    for start in 0..bytes.len().saturating_sub(2) {
        // In UTF-8 the byte 0xed has a byte below 0xa0 behind it: U+D7FF is the last character before the surrogates.
        if bytes[start] == 0xed && bytes[start + 1] >= 0xa0 {
            bytes[start..start + 3].copy_from_slice(&REPLACEMENT);
        }
    }
    String::from_utf8(bytes).expect("without surrogates WTF-8 is UTF-8")
}

/// A string as `serde_json` reads one into bytes: UTF-8 in which surrogates stand as if they were characters.
struct Wtf8(Vec<u8>);

impl<'de> Deserialize<'de> for Wtf8 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(Wtf8Visitor)
    }
}

struct Wtf8Visitor;

impl Visitor<'_> for Wtf8Visitor {
    type Value = Wtf8;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Wtf8(bytes.to_vec()))
    }
}
