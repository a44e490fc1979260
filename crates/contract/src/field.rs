//! Fields of an event as types, whose values are always valid. They borrow from the JSON where possible.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

/// Maximum bytes of a path without query and fragment. A key of site, type and path then has about 2,176 bytes, below the
/// maximum of 2,704 in an index of Postgres.
const PATH_BYTES_MAX: usize = 2_048;

/// Name in read models for the types, paths or hosts of a site beyond the maximum. It is no valid type, path or host.
pub const OTHER: &str = "(other)";

/// Error about a value that breaks the rule of its field: `path must start with "/"`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} must {rule}")]
pub struct InvalidField {
    field: &'static str,
    rule: &'static str,
}

macro_rules! text_field {
    ($(#[$doc:meta])* $type:ident, $field:literal, $rule:literal, $holds:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type<'a>(Cow<'a, str>);

        impl<'a> $type<'a> {
            /// Name of the field in JSON and in messages.
            pub const FIELD: &'static str = $field;

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The value with a text of its own.
            pub fn into_owned(self) -> $type<'static> {
                $type(Cow::Owned(self.0.into_owned()))
            }
        }

        impl<'a> TryFrom<Cow<'a, str>> for $type<'a> {
            type Error = InvalidField;

            fn try_from(text: Cow<'a, str>) -> Result<Self, InvalidField> {
                let holds: fn(&str) -> bool = $holds;
                if holds(&text) { Ok(Self(text)) } else { Err(InvalidField { field: $field, rule: $rule }) }
            }
        }

        impl TryFrom<String> for $type<'static> {
            type Error = InvalidField;

            fn try_from(text: String) -> Result<Self, InvalidField> {
                Cow::<'static, str>::Owned(text).try_into()
            }
        }

        impl<'a> TryFrom<&'a str> for $type<'a> {
            type Error = InvalidField;

            fn try_from(text: &'a str) -> Result<Self, InvalidField> {
                Cow::Borrowed(text).try_into()
            }
        }
    };
}

text_field!(
    /// Site of an event. 1 to 64 bytes.
    SiteId,
    "site_id",
    "be 1 to 64 of the characters A-Z a-z 0-9 . _ : - and start with a letter or digit",
    is_name
);

text_field!(
    /// Type of an event, such as `page_view`. 1 to 64 bytes.
    EventType,
    "event_type",
    "be 1 to 64 of the characters A-Z a-z 0-9 . _ : - and start with a letter or digit",
    is_name
);

text_field!(
    /// Path on the site as it was sent, with query and fragment. The counted part has 1 to 2,048 bytes.
    EventPath,
    "path",
    // A text of Postgres cannot contain a NUL: such a path could be stored in the log, but never counted.
    "start with \"/\", be at most 2048 bytes long without query and fragment, and contain no NUL character",
    is_path
);

text_field!(
    /// The user, as the client names it. 1 to 256 bytes. Read models have only its digest; the log, archives and parked
    /// events have the text. Log lines never have it.
    UserId,
    "user_id",
    "be at most 256 bytes long",
    |user| (1..=256).contains(&user.len())
);

text_field!(
    /// Idempotency key of the client, unique within its site. 1 to 128 bytes.
    EventId,
    "event_id",
    "be 1 to 128 visible ASCII characters",
    |id| (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
);

impl EventType<'_> {
    /// Type whose events a report counts by default.
    pub const PAGE_VIEW: EventType<'static> = EventType(Cow::Borrowed("page_view"));

    /// Type in read models for events of a site with too many types. No client can send it.
    pub const OTHER: EventType<'static> = EventType(Cow::Borrowed(OTHER));

    /// Parses a type of the read models: a client's, or [`EventType::OTHER`].
    ///
    /// # Errors
    ///
    /// The text is neither.
    pub fn counted(text: String) -> Result<EventType<'static>, InvalidField> {
        if text == OTHER { Ok(Self::OTHER) } else { text.try_into() }
    }
}

impl EventPath<'_> {
    /// The path without query and fragment, which starts with `/`. Folds before version 5 count it as it is, later ones
    /// after `path::normalized`: a change here changes what stored logs add up to.
    pub fn without_query(&self) -> &str {
        without_query(&self.0)
    }
}

/// The path without query and fragment.
pub(crate) fn without_query(path: &str) -> &str {
    let end = path.find(['?', '#']).unwrap_or(path.len());
    &path[..end]
}

/// Parses RFC 3339 with any offset. Only the instant counts; the offset stays in the log.
///
/// # Errors
///
/// The text is no RFC 3339 instant.
pub fn timestamp(text: &str) -> Result<DateTime<Utc>, InvalidField> {
    DateTime::parse_from_rfc3339(text)
        .map(|instant| instant.to_utc())
        .map_err(|_| InvalidField { field: "timestamp", rule: "be an RFC 3339 instant such as 2025-11-12T19:30:01Z" })
}

/// Whether a path is valid. Query and fragment are not counted, and have no rule.
fn is_path(text: &str) -> bool {
    let counted = without_query(text);
    counted.starts_with('/') && counted.len() <= PATH_BYTES_MAX && !counted.contains('\0')
}

fn is_name(text: &str) -> bool {
    let of_the_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-');
    (1..=64).contains(&text.len()) && text.as_bytes()[0].is_ascii_alphanumeric() && text.bytes().all(of_the_alphabet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_named_by_letters_digits_and_a_few_marks() {
        for good in ["a", "site-abc-123", "semicomplete.com", "0", "a:b_c", &"x".repeat(64)] {
            assert!(SiteId::try_from(good).is_ok(), "{good}");
        }
        for bad in ["", "a.*.>", ".a", "-a", "a b", "ä", "a/b", "a\0", &"x".repeat(65)] {
            assert!(SiteId::try_from(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_path_is_counted_without_query_and_fragment() {
        for (sent, counted) in
            [("/", "/"), ("/a?b=c", "/a"), ("/a#b?c", "/a"), ("/?", "/"), ("/ä/ö?x", "/ä/ö"), ("/a/", "/a/")]
        {
            assert_eq!(EventPath::try_from(sent).expect("valid path").without_query(), counted);
        }
    }

    #[test]
    fn a_path_has_a_start_and_a_bound() {
        let longest = format!("/{}", "a".repeat(2_047));
        for good in [longest.clone(), format!("{longest}?{longest}"), format!("{longest}#"), "/?a\0b".to_owned()] {
            assert!(EventPath::try_from(good).is_ok());
        }
        for bad in ["", "a", "?/", "http://x/", "/a\0b", &format!("{longest}a"), &format!("{longest}a?b")] {
            assert!(EventPath::try_from(bad).is_err());
        }
    }

    #[test]
    fn an_instant_is_the_same_under_any_offset() {
        let noon = timestamp("2025-11-12T12:00:00Z").expect("an instant");
        assert_eq!(timestamp("2025-11-12T19:30:00.000+07:30").expect("an instant"), noon);
        for bad in ["2025-11-12", "2025-11-12T12:00:00", "1762948800", "2025-02-30T00:00:00Z", ""] {
            assert!(timestamp(bad).is_err(), "{bad}");
        }
    }
}
