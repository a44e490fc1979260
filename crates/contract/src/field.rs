//! The parts of an event, as types: a value that exists keeps its rule.
//!
//! They borrow from the JSON they were read from where they can. The JSON is kept as it was sent; these are only what
//! Tidemark itself reads of it.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

/// Bytes of a path without query and fragment: with a site and a type it is a key of at most 2,176 bytes and some, below the
/// 2,704 that an index of Postgres takes.
const PATH_BYTES_MAX: usize = 2_048;

/// What read models have in the place of a type, a path or a host of a site that has too many of them. No client's type,
/// path or host is this text.
pub const OTHER: &str = "(other)";

/// A field whose value breaks its rule: `path must start with "/"`.
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
            /// The field's name in JSON and in messages.
            pub const FIELD: &'static str = $field;

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The same value, independent of what it was read from.
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
    /// Whose traffic it is. 1 to 64 bytes.
    SiteId,
    "site_id",
    "be 1 to 64 of the characters A-Z a-z 0-9 . _ : - and start with a letter or digit",
    is_name
);

text_field!(
    /// What happened, `page_view` for instance. 1 to 64 bytes.
    EventType,
    "event_type",
    "be 1 to 64 of the characters A-Z a-z 0-9 . _ : - and start with a letter or digit",
    is_name
);

text_field!(
    /// Where on the site, as it was sent: with query and fragment. What is counted of it has 1 to 2,048 bytes.
    EventPath,
    "path",
    // Postgres has no text with a NUL in it: such a path could be stored, but never counted.
    "start with \"/\", be at most 2048 bytes long without query and fragment, and contain no NUL character",
    is_path
);

text_field!(
    /// Who it was, in the client's words. Never stored outside the log and never logged. 1 to 256 bytes.
    UserId,
    "user_id",
    "be at most 256 bytes long",
    |user| (1..=256).contains(&user.len())
);

text_field!(
    /// The client's idempotency key, unique within its site. 1 to 128 bytes.
    EventId,
    "event_id",
    "be 1 to 128 visible ASCII characters",
    |id| (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
);

impl EventType<'_> {
    /// The type whose events a report counts unless it is asked for another.
    pub const PAGE_VIEW: EventType<'static> = EventType(Cow::Borrowed("page_view"));

    /// What read models count events under whose site has too many types. No client can send it.
    pub const OTHER: EventType<'static> = EventType(Cow::Borrowed(OTHER));

    /// A type as read models have it: a client's, or [`EventType::OTHER`].
    ///
    /// # Errors
    ///
    /// The text is neither.
    pub fn counted(text: String) -> Result<EventType<'static>, InvalidField> {
        if text == OTHER { Ok(Self::OTHER) } else { text.try_into() }
    }
}

impl EventPath<'_> {
    /// What is counted: the path without query and fragment. Never empty, because a path starts with `/`.
    pub fn counted(&self) -> &str {
        counted_path(&self.0)
    }
}

/// A path without query and fragment.
pub(crate) fn counted_path(path: &str) -> &str {
    let end = path.find(['?', '#']).unwrap_or(path.len());
    &path[..end]
}

/// Reads RFC 3339 with any offset; the instant is what counts, the offset stays in the log.
///
/// # Errors
///
/// The text is no RFC 3339 instant.
pub fn timestamp(text: &str) -> Result<DateTime<Utc>, InvalidField> {
    DateTime::parse_from_rfc3339(text)
        .map(|instant| instant.to_utc())
        .map_err(|_| InvalidField { field: "timestamp", rule: "be an RFC 3339 instant such as 2025-11-12T19:30:01Z" })
}

/// Query and fragment are not counted, so they have no rule.
fn is_path(text: &str) -> bool {
    let counted = counted_path(text);
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
            assert_eq!(EventPath::try_from(sent).expect("valid path").counted(), counted);
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
