//! Origins of pages, as browsers write them in the header `Origin`.

use serde::{Deserialize, Serialize};

use crate::http::header_list;

/// Maximum bytes of an origin: a host has at most 253.
const ORIGIN_BYTES_MAX: usize = 300;

/// Origins whose pages may read, as a list: `https://shop.example,http://localhost:8080`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origins(Vec<String>);

impl Origins {
    /// Whether an origin is in the list, byte for byte.
    pub(super) fn contains(&self, origin: &str) -> bool {
        self.0.iter().any(|known| known == origin)
    }
}

impl TryFrom<String> for Origins {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let origin = |text: &str| if is_origin(text) { Ok(text.to_owned()) } else { Err(rule(text)) };
        header_list::items(&text).map(origin).collect::<Result<_, _>>().map(Self)
    }
}

impl From<Origins> for String {
    fn from(origins: Origins) -> Self {
        origins.0.join(",")
    }
}

/// Whether a text is the origin of a page. `null`, which any sandboxed page sends, is not.
pub(super) fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]_".contains(&byte);
    text.len() <= ORIGIN_BYTES_MAX && !host.is_empty() && host.bytes().all(is_part)
}

/// The error about a text that is no origin.
pub(super) fn rule(text: &str) -> String {
    format!(
        "an origin is written as browsers send it, https://shop.example or http://localhost:8080: lower case, no path and no \
         / at the end; not {text:?}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_as_browsers_write_them() {
        let read = |text: &str| Origins::try_from(text.to_owned());
        let origins = read(" https://shop.example, http://[::1]:8080 ,,").expect("origins");
        assert!(origins.contains("https://shop.example") && origins.contains("http://[::1]:8080"));
        assert!(!origins.contains("https://shop.example:443") && !origins.contains("null"));
        assert_eq!(String::from(origins), "https://shop.example,http://[::1]:8080");
        assert!(read("") == Ok(Origins::default()));
        for text in
            ["*", "null", "shop.example", "https://shop.example/", "https://Shop.example", "https://", "ftp://a"]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
