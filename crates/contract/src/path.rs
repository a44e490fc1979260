//! Normalization of paths: one text for all percent-encodings of the same path.
//!
//! Browsers send `/caf%C3%A9`, servers often `/caf%c3%a9`, and people write `/café`. By RFC 3986 these are one path, so they
//! are counted as one. An escape is decoded if that cannot change the meaning of the path: if it is UTF-8, and neither a
//! reserved character nor `%` nor a control character. Other escapes stay, with digits in upper case.
//!
//! Spaces, backslashes and format characters (such as marks of text direction) are decoded, too, because a client may also
//! send them without escapes. Unicode is not normalized: `é` as one character and as two are two paths, as for servers. A `%`
//! that begins no escape stays, and so does everything else: dots, repeated slashes, and a slash at the end.

use std::borrow::Cow;

/// Characters whose escapes must stay: gen-delims and sub-delims of RFC 3986, and `%`.
const RESERVED: &str = ":/?#[]@!$&'()*+,;=%";

/// Number of bytes of an escape.
const ESCAPE_BYTES: usize = 3;

/// Maximum bytes of a character in UTF-8.
const CHAR_BYTES_MAX: usize = 4;

/// Normalizes a path, or a part of one. The result is never longer, and normalizing it again changes nothing.
///
/// ```
/// use contract::path::normalized;
/// assert_eq!(normalized("/caf%c3%a9/%7ejo%2fa%zz"), "/café/~jo%2Fa%zz");
/// ```
pub fn normalized(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    let mut normal = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        let (before, escaped) = rest.split_at(at);
        normal.push_str(before);
        let taken = push_escaped(&mut normal, escaped);
        rest = &escaped[taken..];
    }
    normal.push_str(rest);
    Cow::Owned(normal)
}

/// Writes the first character or escape of a text that begins with `%`, and returns its number of bytes in the text.
fn push_escaped(normal: &mut String, escaped: &str) -> usize {
    if escaped_byte(escaped).is_none() {
        normal.push('%');
        return 1;
    }
    if let Some(char) = escaped_char(escaped).filter(|char| may_stand(normal, *char)) {
        normal.push(char);
        return char.len_utf8() * ESCAPE_BYTES;
    }
    normal.push_str(&escaped[..ESCAPE_BYTES].to_ascii_uppercase());
    ESCAPE_BYTES
}

/// Whether a character means the same without its escape, after the text in `normal`.
fn may_stand(normal: &str, char: char) -> bool {
    // A stray `%` must not become an escape through a decoded digit: `%4%31` is not `%41`.
    let is_stray = |tail: &[u8]| matches!(tail, [.., b'%'] | [.., b'%', _]);
    let completes = char.is_ascii_hexdigit() && is_stray(normal.as_bytes());
    !char.is_control() && !RESERVED.contains(char) && !completes
}

/// Decodes the escaped character at the beginning of a text.
fn escaped_char(escaped: &str) -> Option<char> {
    let (mut bytes, mut len) = ([0; CHAR_BYTES_MAX], 0);
    let mut rest = escaped;
    while len < CHAR_BYTES_MAX {
        bytes[len] = escaped_byte(rest)?;
        len += 1;
        if let Ok(text) = std::str::from_utf8(&bytes[..len]) {
            return text.chars().next();
        }
        rest = &rest[ESCAPE_BYTES..];
    }
    None
}

/// Decodes the escaped byte at the beginning of a text.
fn escaped_byte(text: &str) -> Option<u8> {
    let [b'%', high, low, ..] = text.as_bytes() else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(*high)? << 4 | digit(*low)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::Config;

    use super::*;

    #[test]
    fn escapes_are_decoded_where_that_changes_no_meaning() {
        for (sent, counted) in [
            ("/", "/"),
            ("/café", "/café"),
            ("/caf%C3%A9", "/café"),
            ("/caf%c3%a9", "/café"),
            ("/caf%c3%A9/%E6%BC%a2", "/café/漢"),
            ("/%F0%9F%A6%80", "/🦀"),
            ("/cafe\u{301}", "/cafe\u{301}"),
            ("/cafe%CC%81", "/cafe\u{301}"),
            ("/%7Euser/%61%2D%5f%2e", "/~user/a-_."),
            ("/a%20b", "/a b"),
            ("/a%5Cb%7c%22", "/a\\b|\""),
            ("/%E2%80%AE", "/\u{202e}"),
            ("/%2fa%2F%3f%23%5b%40%21%2b%3d%25", "/%2Fa%2F%3F%23%5B%40%21%2B%3D%25"),
            ("/%2541", "/%2541"),
            ("/%00%0a%7f%1F", "/%00%0A%7F%1F"),
            ("/%c2%85%C2%A0", "/%C2%85\u{a0}"),
            ("/%c3", "/%C3"),
            ("/%c3/%a9", "/%C3/%A9"),
            ("/%c3é%a9", "/%C3é%A9"),
            ("/%c3%c3%a9", "/%C3é"),
            ("/%ed%a0%80", "/%ED%A0%80"),
            ("/%c0%af", "/%C0%AF"),
            ("/%f8%88%80%80%80", "/%F8%88%80%80%80"),
            ("/%zz%c%", "/%zz%c%"),
            ("/%cé", "/%cé"),
            ("/%+1", "/%+1"),
            ("/%4%31", "/%4%31"),
            ("/%%34%31", "/%%341"),
            ("/%%34x%31", "/%%34x1"),
            ("/%%c3%a9", "/%é"),
            ("//a/../b/./", "//a/../b/./"),
        ] {
            assert_eq!(normalized(sent), counted, "{sent}");
        }
    }

    proptest! {
        #![proptest_config(Config { failure_persistence: None, cases: 500, ..Config::default() })]

        #[test]
        fn a_normal_path_stays_as_it_is_and_is_no_longer(path in r"/(%[0-9a-fA-F%]{0,3}|%[cC]3%[aA]9|.|[0-9a-f])*") {
            let normal = normalized(&path);
            prop_assert!(normal.len() <= path.len() && normal.starts_with('/'));
            prop_assert_eq!(normalized(&normal), normal.as_ref());
        }

        #[test]
        fn a_path_is_one_however_its_bytes_are_escaped(
            path in "/[a-z0-9/~_.é漢🦀 -]{0,20}",
            choices in prop::collection::vec(0..3u8, 90),
        ) {
            let escape = |(byte, choice): (u8, &u8)| match choice {
                1 => format!("%{byte:02X}"),
                _ => format!("%{byte:02x}"),
            };
            let mut choices = choices.iter();
            let written = path.chars().map(|char| {
                let choice = choices.next().expect("a path has fewer characters");
                let mut bytes = [0; CHAR_BYTES_MAX];
                let bytes = char.encode_utf8(&mut bytes).bytes();
                if char == '/' || *choice == 0 { char.to_string() } else { bytes.map(|byte| escape((byte, choice))).collect() }
            });
            let written: String = written.collect();
            prop_assert_eq!(normalized(&written), path);
        }
    }
}
