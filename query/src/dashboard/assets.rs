//! Styles, script and icon, which are in the binary. Each file has a hash of its content in its name: caches may keep it for
//! ever, and another content is another file.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::http::etag;

/// A year, the longest time that caches accept.
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

pub(super) const STYLE: Asset = Asset::new("style", "css", "text/css; charset=utf-8", include_str!("assets/style.css"));

pub(super) const SCRIPT: Asset =
    Asset::new("script", "js", "text/javascript; charset=utf-8", include_str!("assets/script.js"));

pub(super) const ICON: Asset = Asset::new("icon", "svg", "image/svg+xml", include_str!("assets/icon.svg"));

/// A file.
pub(super) struct Asset {
    name: &'static str,
    ending: &'static str,
    content_type: &'static str,
    content: &'static str,
    hash: u64,
}

impl Asset {
    const fn new(name: &'static str, ending: &'static str, content_type: &'static str, content: &'static str) -> Self {
        Self { name, ending, content_type, content, hash: fnv1a64(content.as_bytes()) }
    }

    /// The address, relative to a page.
    pub(super) fn address(&self) -> String {
        format!("assets/{}", self.file_name())
    }

    fn file_name(&self) -> String {
        format!("{}-{:016x}.{}", self.name, self.hash, self.ending)
    }
}

/// The answer to a request for a file; `None` if no file has the name.
pub(super) fn answer(file_name: &str, headers: &HeaderMap) -> Option<Response> {
    let asset = [&STYLE, &SCRIPT, &ICON].into_iter().find(|asset| asset.file_name() == file_name)?;
    let tag = format!("\"{:016x}\"", asset.hash);
    let is_known = etag::is_known(headers, &tag);
    let tag = HeaderValue::try_from(tag).expect("hexadecimal digits in quotes");
    let caching = [(header::ETAG, tag), (header::CACHE_CONTROL, FOREVER)];
    if is_known {
        return Some((StatusCode::NOT_MODIFIED, caching).into_response());
    }
    Some((caching, [(header::CONTENT_TYPE, asset.content_type)], asset.content).into_response())
}

/// The FNV-1a hash. Collisions on purpose are no threat, because all contents are in the binary.
const fn fnv1a64(bytes: &[u8]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut position = 0;
    while position < bytes.len() {
        hash = (hash ^ bytes[position] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        position += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_content_is_another_file() {
        assert_eq!(fnv1a64(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a64(b"foobar"), 0x8594_4171_f739_67e8);
        assert!(answer(&STYLE.file_name(), &HeaderMap::new()).is_some());
        assert!(answer("style-0000000000000000.css", &HeaderMap::new()).is_none());
    }
}
