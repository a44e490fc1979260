//! `ETag` and `Cache-Control` of answers. An answer that the client has is not sent again, and not even read.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::NaiveDate;

use crate::reports::snapshot_version::SnapshotVersion;

/// The version of the form of answers, which is raised when equal numbers are answered in another form.
const FORM: u32 = 1;

/// Seconds for which a cache may keep an answer about past days. The answer may change in that time, because late events are
/// counted on the day of their timestamp.
const PAST_MAX_AGE_S: u32 = 60;

/// The caching headers of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CachePolicy {
    /// The version of the answer to its request.
    etag: Option<String>,
    cache_control: String,
    /// Whether the answer depends on the header `Accept`.
    is_negotiated: bool,
}

impl CachePolicy {
    /// The policy of an answer in JSON from this version, about days up to `last`; `None` is an open end.
    pub(crate) fn of(version: &SnapshotVersion, last: Option<NaiveDate>) -> Self {
        let cache_control = if last.is_some_and(|last| last < version.today) {
            format!("max-age={PAST_MAX_AGE_S}, must-revalidate")
        } else {
            "no-cache".to_owned()
        };
        let etag = format!("\"{FORM}-{}-{}\"", version.generation_id, version.checkpoints);
        Self { etag: Some(etag), cache_control, is_negotiated: false }
    }

    /// The policy of an answer that differs each time.
    pub(crate) fn never() -> Self {
        Self { etag: None, cache_control: "no-store".to_owned(), is_negotiated: false }
    }

    /// Adds the scope of an answer that has only the sites of a key: another key may see others.
    pub(crate) fn in_scope(self, scope: Option<&str>) -> Self {
        let Some(scope) = scope else { return self };
        let etag = self.etag.map(|etag| format!("{}-{scope}\"", etag.trim_end_matches('"')));
        Self { etag, ..self }
    }

    /// Adds the format of an answer, which `Accept` may have decided.
    pub(crate) fn in_format(self, format: &str) -> Self {
        let etag = self.etag.map(|etag| format!("{}-{format}\"", etag.trim_end_matches('"')));
        Self { etag, is_negotiated: true, ..self }
    }

    /// Whether the client says that it has the answer.
    pub(crate) fn is_known(&self, headers: &HeaderMap) -> bool {
        self.etag.as_ref().is_some_and(|etag| is_known(headers, etag))
    }

    /// The answer to a client that has the answer.
    pub(crate) fn not_modified(&self) -> Response {
        self.describe(StatusCode::NOT_MODIFIED.into_response())
    }

    /// Adds the headers to an answer.
    pub(crate) fn describe(&self, mut response: Response) -> Response {
        let headers = response.headers_mut();
        let value = |text: &str| HeaderValue::from_str(text).expect("visible ASCII");
        if let Some(etag) = &self.etag {
            headers.insert(header::ETAG, value(etag));
        }
        headers.insert(header::CACHE_CONTROL, value(&self.cache_control));
        if self.is_negotiated {
            headers.append(header::VARY, HeaderValue::from_static("accept"));
        }
        response
    }
}

/// Whether `If-None-Match` has this `ETag`.
pub(crate) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let sent = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    // The tags of this service have neither commas nor blanks, so no quoted tag is cut apart here.
    let mut names = sent.flat_map(|value| value.split(',')).map(str::trim);
    names.any(|name| name == "*" || name.strip_prefix("W/").unwrap_or(name) == etag)
}

/// Whether the version has to be read before the answer.
pub(crate) fn is_conditional(headers: &HeaderMap) -> bool {
    headers.contains_key(header::IF_NONE_MATCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version() -> SnapshotVersion {
        let today = "2025-11-12".parse().expect("a day");
        SnapshotVersion { generation_id: 3, checkpoints: "abc".to_owned(), today }
    }

    fn caching() -> CachePolicy {
        CachePolicy::of(&version(), None)
    }

    #[test]
    fn only_days_that_are_over_may_be_kept() {
        let kept = |last: &str| CachePolicy::of(&version(), last.parse().ok()).cache_control;
        assert_eq!(kept("open"), "no-cache");
        assert_eq!(kept("2025-11-13"), "no-cache");
        assert_eq!(kept("2025-11-12"), "no-cache");
        assert_eq!(kept("2025-11-11"), "max-age=60, must-revalidate");
    }

    #[test]
    fn an_answer_is_named_by_all_that_it_depends_on() {
        assert_eq!(caching().etag.as_deref(), Some("\"1-3-abc\""));
        assert_eq!(caching().in_format("csv").etag.as_deref(), Some("\"1-3-abc-csv\""));
        assert_eq!(caching().in_scope(Some("5e")).in_format("csv").etag.as_deref(), Some("\"1-3-abc-5e-csv\""));
        assert_eq!(caching().in_scope(None), caching());
        let tomorrow = SnapshotVersion { today: "2025-11-13".parse().expect("a day"), ..version() };
        assert_eq!(CachePolicy::of(&tomorrow, None), caching());
        for other in [
            SnapshotVersion { generation_id: 4, ..version() },
            SnapshotVersion { checkpoints: "xyz".to_owned(), ..version() },
        ] {
            assert_ne!(CachePolicy::of(&other, None), caching());
        }
    }

    #[test]
    fn a_name_is_found_wherever_it_stands() {
        let is_known = |values: &[&'static str]| {
            let sent = values.iter().map(|value| (header::IF_NONE_MATCH, HeaderValue::from_static(value)));
            caching().is_known(&sent.collect())
        };
        for values in [
            &["\"1-3-abc\""][..],
            &["\"b\", \"1-3-abc\""],
            &["W/\"1-3-abc\""],
            &["\"b\"", "\"c\" ,W/\"1-3-abc\" "],
            &["*"],
        ] {
            assert!(is_known(values), "{values:?}");
        }
        for values in [&[][..], &["1-3-abc"], &["\"1-3-abc-csv\""], &["w/\"1-3-abc\""], &["\"1-3-ABC\""], &[""]] {
            assert!(!is_known(values), "{values:?}");
        }
    }
}
