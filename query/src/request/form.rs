//! Names and values of a query string, as forms and `URLSearchParams` write it: percent-encoded UTF-8, a plus for a
//! blank. Decoders in use replace what they cannot read; then two sites that differ there would be one.

use std::borrow::Cow;

use super::InvalidRequest;

type Decoded<'a> = Result<Cow<'a, str>, InvalidRequest>;

/// The pairs in order; a name without `=` has an empty value.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (Decoded<'_>, Decoded<'_>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

fn decode(text: &str) -> Decoded<'_> {
    if !text.contains(['%', '+']) {
        return Ok(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut encoded = text.bytes();
    while let Some(byte) = encoded.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hexadecimal(encoded.next(), encoded.next()).ok_or(InvalidRequest::NotEncoded)?,
            _ => byte,
        });
    }
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| InvalidRequest::NotEncoded)
}

fn hexadecimal(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}
