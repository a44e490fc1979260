//! Strict decoder of query strings as forms and `URLSearchParams` write them: pairs separated by `&`, percent-encoded
//! UTF-8, a plus for a blank.
//!
//! Common decoders replace bytes that they cannot read, so that two different sites could become one. Only `&` and the
//! first `=` of a pair are separators; empty pairs are skipped; a name without `=` has an empty value. The maximum size of
//! a request's headers bounds the length.

use std::borrow::Cow;

/// A pair in its encoded form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair<'a> {
    /// The whole pair, encoded.
    pub raw: &'a str,
    name: &'a str,
    value: &'a str,
}

/// A name or value is not percent-encoded UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the query string must be percent-encoded UTF-8")]
pub struct NotEncoded;

/// Splits a query string into its pairs.
pub fn pairs(query: &str) -> impl Iterator<Item = Pair<'_>> {
    query.split('&').filter(|raw| !raw.is_empty()).map(|raw| {
        let (name, value) = raw.split_once('=').unwrap_or((raw, ""));
        Pair { raw, name, value }
    })
}

impl<'a> Pair<'a> {
    /// Decodes the name.
    ///
    /// # Errors
    ///
    /// The name is not percent-encoded UTF-8.
    pub fn name(self) -> Result<Cow<'a, str>, NotEncoded> {
        decoded(self.name)
    }

    /// Decodes the value.
    ///
    /// # Errors
    ///
    /// The value is not percent-encoded UTF-8.
    pub fn value(self) -> Result<Cow<'a, str>, NotEncoded> {
        decoded(self.value)
    }

    /// Whether the decoded name is `name`.
    pub fn is_named(self, name: &str) -> bool {
        self.name().is_ok_and(|sent| sent == name)
    }
}

/// Encodes names and values as a query string.
pub fn written<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn decoded(text: &str) -> Result<Cow<'_, str>, NotEncoded> {
    if !text.contains(['%', '+']) {
        return Ok(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut encoded = text.bytes();
    while let Some(byte) = encoded.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hexadecimal(encoded.next(), encoded.next()).ok_or(NotEncoded)?,
            _ => byte,
        });
    }
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| NotEncoded)
}

fn hexadecimal(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Vec<(String, String)> {
        let pair = |pair: Pair<'_>| Ok((pair.name()?.into_owned(), pair.value()?.into_owned()));
        pairs(query).map(pair).collect::<Result<_, NotEncoded>>().expect("encoded")
    }

    #[test]
    fn pairs_are_read_one_way() {
        for (query, expected) in [
            ("", &[][..]),
            ("&&", &[]),
            ("a", &[("a", "")]),
            ("a=", &[("a", "")]),
            ("=b", &[("", "b")]),
            ("a=b=c&&a=d", &[("a", "b=c"), ("a", "d")]),
            ("a;b=c;d", &[("a;b", "c;d")]),
            ("%61+b=%2B+%00%26%3d", &[("a b", "+ \0&=")]),
            ("é=%C3%A9%c3%a9", &[("é", "éé")]),
        ] {
            let expected: Vec<_> =
                expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            assert_eq!(read(query), expected, "{query}");
        }
    }

    #[test]
    fn what_is_not_encoded_is_not_guessed() {
        for value in ["%", "%4", "%4g", "%+1", "%ff", "%C3", "%ED%A0%80", "a%"] {
            let query = format!("a={value}");
            let pair = pairs(&query).next().expect("a pair");
            assert_eq!((pair.name().as_deref(), pair.value()), (Ok("a"), Err(NotEncoded)), "{value}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let sent = [("a b", "é&=+%;\0"), ("", ""), ("x", "")];
        let query = written(sent.map(|(name, value)| (name, value.to_owned())));
        assert_eq!(read(&query), sent.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
