//! Decodes JSON strings, also with lone surrogates.
//!
//! RFC 8259 permits escapes of lone surrogates, and browsers write them for a text that was cut within an emoji. UTF-8 has
//! no such character, so it is decoded as U+FFFD, as browsers do when they encode text. The log keeps the original.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// U+FFFD in UTF-8, the replacement of a lone surrogate.
const REPLACEMENT: [u8; 3] = [0xef, 0xbf, 0xbd];

/// Decodes a valid JSON string; the result is borrowed if there are no escapes.
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
        // In UTF-8 a byte below 0xa0 follows 0xed: U+D7FF is the last character before the surrogates.
        if bytes[start] == 0xed && bytes[start + 1] >= 0xa0 {
            bytes[start..start + 3].copy_from_slice(&REPLACEMENT);
        }
    }
    String::from_utf8(bytes).expect("without surrogates WTF-8 is UTF-8")
}

/// A string that `serde_json` has decoded into bytes: UTF-8 in which surrogates are encoded like characters (WTF-8).
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
