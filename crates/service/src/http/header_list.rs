//! Lists in headers and environment variables: items separated by commas (RFC 9110, 5.6.1).

use axum::http::{HeaderMap, HeaderName};

/// The items of a list without white space around them. Empty items are skipped.
pub fn items(text: &str) -> impl DoubleEndedIterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// The items of all headers of this name, in their order. A header that is not ASCII counts as one empty item.
pub fn header_items<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl DoubleEndedIterator<Item = &'a str> {
    headers.get_all(name).into_iter().flat_map(|value| {
        let text = value.to_str().ok();
        text.into_iter().flat_map(items).chain(text.is_none().then_some(""))
    })
}

#[cfg(test)]
mod tests {
    use axum::http::header::CONTENT_ENCODING;

    use super::*;

    #[test]
    fn a_list_may_stand_in_several_headers() {
        let mut headers = HeaderMap::new();
        for value in ["a, b ,", "", ",c"] {
            headers.append(CONTENT_ENCODING, value.parse().expect("a header"));
        }
        assert_eq!(header_items(&headers, &CONTENT_ENCODING).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(header_items(&headers, &CONTENT_ENCODING).next_back(), Some("c"));
        headers.append(CONTENT_ENCODING, axum::http::HeaderValue::from_bytes(b"\xff").expect("a header"));
        assert_eq!(header_items(&headers, &CONTENT_ENCODING).next_back(), Some(""));
        assert_eq!(items(" , ").count(), 0);
    }
}
