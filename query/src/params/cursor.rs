//! The cursor behind the last entry of a page: tag, number and key in base64url. Only this service reads it.
//!
//! The tag ties a cursor to the request that it was given for. It is no signature: a client that makes up a cursor can choose
//! where in a list to begin, and nothing else, because the request says whose list it is.

use std::hash::Hasher;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use siphasher::sip::SipHasher13;

/// Bytes of the tag, and of the number.
const TAG_BYTES: usize = 8;
const NUMBER_BYTES: usize = 8;

/// Bytes of a key: the longest is a path.
const KEY_BYTES_MAX: usize = 2_048;

/// The last entry of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The number that the list is ordered by first; 0 if it is ordered by the key alone.
    pub(crate) number: u64,
    pub(crate) key: String,
}

impl Cursor {
    /// Reads a cursor that was given for the same request.
    pub(crate) fn read(text: &str, request: &[&str]) -> Option<Self> {
        // The longest that can be right, before anything is made of it: four characters are three bytes.
        if text.len() > (TAG_BYTES + NUMBER_BYTES + KEY_BYTES_MAX).div_ceil(3) * 4 {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (sent_tag, rest) = bytes.split_first_chunk::<TAG_BYTES>()?;
        let (number, key) = rest.split_first_chunk::<NUMBER_BYTES>()?;
        let key = String::from_utf8(key.to_vec()).ok().filter(|key| !key.contains('\0'))?;
        (*sent_tag == tag(request, rest)).then_some(Self { number: u64::from_be_bytes(*number), key })
    }

    /// Writes the cursor for a request.
    pub(crate) fn write(&self, request: &[&str]) -> String {
        let content = [&self.number.to_be_bytes()[..], self.key.as_bytes()].concat();
        URL_SAFE_NO_PAD.encode([&tag(request, &content)[..], &content].concat())
    }
}

/// A digest of the request and of the content, under no key.
fn tag(request: &[&str], content: &[u8]) -> [u8; TAG_BYTES] {
    let mut hasher = SipHasher13::new();
    for part in request {
        hasher.write(&(part.len() as u64).to_be_bytes());
        hasher.write(part.as_bytes());
    }
    hasher.write(content);
    hasher.finish().to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &[&str] = &["paths", "site-a", "page_view"];

    fn cursor() -> Cursor {
        Cursor { number: 4_711, key: "/é\"?".to_owned() }
    }

    #[test]
    fn what_is_written_is_read() {
        for cursor in [
            cursor(),
            Cursor { number: u64::MAX, key: String::new() },
            Cursor { number: 0, key: "x".repeat(KEY_BYTES_MAX) },
        ] {
            assert_eq!(Cursor::read(&cursor.write(REQUEST), REQUEST), Some(cursor));
        }
    }

    #[test]
    fn a_cursor_is_of_its_request() {
        let text = cursor().write(REQUEST);
        for request in [
            &["paths", "site-b", "page_view"][..],
            &["paths", "site-a", "page_view", ""],
            &["paths", "site-", "apage_view"],
            &["sites", "site-a", "page_view"],
        ] {
            assert_eq!(Cursor::read(&text, request), None, "{request:?}");
        }
    }

    #[test]
    fn a_damaged_one_is_none() {
        let text = cursor().write(REQUEST);
        for place in 0..text.len() {
            let damaged: String = text
                .char_indices()
                .map(|(i, character)| {
                    if i != place {
                        character
                    } else if character == 'A' {
                        'B'
                    } else {
                        'A'
                    }
                })
                .collect();
            assert_eq!(Cursor::read(&damaged, REQUEST), None, "{damaged}");
            assert_eq!(Cursor::read(&text[..place], REQUEST), None);
        }
        for text in ["", "*", "AAAA", &format!("{text}="), &format!("{text}AAAA"), &"A".repeat(9_000)] {
            assert_eq!(Cursor::read(text, REQUEST), None, "{text}");
        }
        let with_nul = Cursor { number: 1, key: "/\0".to_owned() };
        assert_eq!(Cursor::read(&with_nul.write(REQUEST), REQUEST), None);
    }
}
