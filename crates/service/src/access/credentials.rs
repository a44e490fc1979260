//! Credentials of a request: `Authorization: Bearer`, the password of `Authorization: Basic`, or `?key=` for clients that
//! cannot set headers.

use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::http::query_string;

/// Parameter with the key.
const PARAMETER: &str = "key";

/// Maximum bytes of `Authorization`: far more than a key and the name of a user.
const AUTHORIZATION_BYTES_MAX: usize = 1_024;

/// Credentials of a request. Without `Debug`, because they are secret.
pub(super) enum Credentials {
    /// The request has none.
    None,
    /// Exactly one text.
    Text(String),
    /// A text that cannot be decoded, or more than one.
    Unreadable,
}

/// Removes the key from a request, so that no later layer sees it. The parameter wins over the header, which may be meant
/// for a proxy.
pub(super) fn take(headers: &mut HeaderMap, uri: &mut Uri) -> Credentials {
    let sent: Vec<HeaderValue> = headers.get_all(header::AUTHORIZATION).iter().cloned().collect();
    headers.remove(header::AUTHORIZATION);
    match (from_address(uri), sent.as_slice()) {
        (Credentials::None, []) => Credentials::None,
        (Credentials::None, [header]) => from_header(header).map_or(Credentials::Unreadable, Credentials::Text),
        (Credentials::None, _) => Credentials::Unreadable,
        (found, _) => found,
    }
}

fn from_header(header: &HeaderValue) -> Option<String> {
    let (scheme, value) = header.to_str().ok().filter(|text| text.len() <= AUTHORIZATION_BYTES_MAX)?.split_once(' ')?;
    let value = value.trim_matches(' ');
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(value.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(value).ok()?).ok()?;
    pair.split_once(':').map(|(_, password)| password.to_owned())
}

fn from_address(uri: &mut Uri) -> Credentials {
    let Some(query) = uri.query() else { return Credentials::None };
    let (sent, rest): (Vec<_>, Vec<_>) = query_string::pairs(query).partition(|pair| pair.is_named(PARAMETER));
    let found = match sent.as_slice() {
        [] => return Credentials::None,
        [key] => key.value().map_or(Credentials::Unreadable, |key| Credentials::Text(key.into_owned())),
        _ => Credentials::Unreadable,
    };
    let rest: Vec<_> = rest.into_iter().map(|pair| pair.raw).collect();
    let separator = if rest.is_empty() { "" } else { "?" };
    let address = format!("{}{separator}{}", uri.path(), rest.join("&"));
    let mut parts = std::mem::take(uri).into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(address).expect("a part of an address is one"));
    *uri = Uri::from_parts(parts).expect("it was one with a longer query");
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key that is found, and the remaining address.
    fn take_from(address: &str, authorization: &[&str]) -> (Option<String>, String) {
        let mut headers = HeaderMap::new();
        for value in authorization {
            headers.append(header::AUTHORIZATION, value.parse().expect("a header"));
        }
        let mut uri: Uri = address.parse().expect("an address");
        let found = match take(&mut headers, &mut uri) {
            Credentials::None => Some(String::new()),
            Credentials::Text(text) => Some(text),
            Credentials::Unreadable => None,
        };
        assert!(headers.is_empty());
        (found, uri.to_string())
    }

    #[test]
    fn a_key_is_found_wherever_it_stands() {
        let basic = format!("bAsIc {}", STANDARD.encode("any:tm_a:b"));
        for (address, authorization, left) in [
            ("/stats", &["Bearer tm_a:b"][..], "/stats"),
            ("/stats", &["bearer  tm_a:b "], "/stats"),
            ("/stats?site_id=a", &[&basic], "/stats?site_id=a"),
            ("/stats?key=tm_a:b", &[], "/stats"),
            ("/stats?a=1&key=tm_a:b&b=%20", &["Digest x"], "/stats?a=1&b=%20"),
            ("/stats?key=tm_a:b&&monkey=2&&%6bey2", &[&basic, &basic], "/stats?monkey=2&%6bey2"),
            ("/stats?%6Bey=tm%5Fa%3ab&a=%zz", &[], "/stats?a=%zz"),
            ("http://host:1/stats?key=tm_a:b", &[], "http://host:1/stats"),
        ] {
            assert_eq!(take_from(address, authorization), (Some("tm_a:b".to_owned()), left.to_owned()), "{address}");
        }
        assert_eq!(take_from("/stats?a=b", &[]), (Some(String::new()), "/stats?a=b".to_owned()));
    }

    #[test]
    fn what_is_unclear_is_no_key() {
        let long = format!("Bearer {}", "x".repeat(AUTHORIZATION_BYTES_MAX));
        let no_pair = format!("Basic {}", STANDARD.encode("tm_a"));
        for authorization in [
            &["Bearer a", "Bearer a"][..],
            &["Bearer"],
            &["Digest a"],
            &["Basic a:b"],
            &["Basic *"],
            &[&long],
            &[&no_pair],
        ] {
            assert_eq!(take_from("/", authorization).0, None, "{authorization:?}");
        }
        for unclear in ["key=a&key=a&b=1", "key=a&key&b=1", "key=a&b=1&k%65y=a", "key=%zz&b=1"] {
            assert_eq!(take_from(&format!("/?{unclear}"), &[]), (None, "/?b=1".to_owned()), "{unclear}");
        }
    }
}
