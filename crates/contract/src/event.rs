//! An event: read, and by that checked.

use chrono::{DateTime, Utc};
use serde::de::IgnoredAny;

use crate::field::{EventId, EventPath, EventType, InvalidField, SiteId, UserId};
use crate::referrer::SentReferrer;
use sent::Sent;

/// The JSON, taken apart.
mod sent;

/// JSON strings as text.
mod text;

/// Bytes of one event's JSON, without white space around it and without what is dropped when it is counted: the query
/// and the fragment of its path, and its referrer. 8 KiB.
pub const EVENT_BYTES_MAX: usize = 8 * 1024;

/// Bytes of one event's JSON with everything in it, so of its line in the log without the line break: 32 KiB. That is
/// [`EVENT_BYTES_MAX`], a query and a referrer of 8 KiB each, which is what web servers take of either, and as much for
/// escapes in them.
pub const EVENT_LINE_BYTES_MAX: usize = 4 * EVENT_BYTES_MAX;

/// U+FEFF in UTF-8. Programs of Windows write it before text.
const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// What Tidemark reads of one event. Anything else in its JSON stays in the log for later folds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// Whose traffic it is.
    pub site_id: SiteId<'a>,
    /// What happened.
    pub event_type: EventType<'a>,
    /// Where.
    pub path: EventPath<'a>,
    /// When, by the client's clock.
    pub timestamp: DateTime<Utc>,
    /// Who; absent, null and empty are the same: nobody in particular.
    pub user_id: Option<UserId<'a>>,
    /// The client's idempotency key.
    pub event_id: Option<EventId<'a>>,
    /// Where the visit came from; absent, null and empty are the same: from nowhere else. Never a reason to refuse an
    /// event: see [`Referrer`](crate::Referrer) for what is counted of it.
    pub referrer: Option<SentReferrer<'a>>,
}

/// Why a piece of text is no event. The message is one sentence for the one who sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEvent {
    /// Longer than [`EVENT_BYTES_MAX`], without what is dropped.
    #[error("an event must be at most {EVENT_BYTES_MAX} bytes long")]
    TooLarge,
    /// Longer than [`EVENT_LINE_BYTES_MAX`].
    #[error("an event with its query and its referrer must be at most {EVENT_LINE_BYTES_MAX} bytes long")]
    LineTooLarge,
    /// Not UTF-8.
    #[error("an event must be UTF-8 text")]
    NotUtf8,
    /// Not JSON, or a known field twice.
    #[error("an event must be valid JSON: {0}")]
    NotJson(String),
    /// JSON, but a number or an array, say.
    #[error("an event must be a JSON object")]
    NotAnObject,
    /// A field that every event has is absent or null.
    #[error("{0} is required")]
    Required(&'static str),
    /// A field is a number or an object, say.
    #[error("{0} must be a string")]
    NotText(&'static str),
    /// A field breaks its rule.
    #[error(transparent)]
    Invalid(#[from] InvalidField),
}

impl<'a> Event<'a> {
    /// Reads one event from its JSON.
    ///
    /// # Errors
    ///
    /// See [`InvalidEvent`]; the first rule that is broken, in the order of the fields above.
    pub fn parse(json: &'a [u8]) -> Result<Self, InvalidEvent> {
        let json = trimmed(json);
        if json.len() > EVENT_LINE_BYTES_MAX {
            return Err(InvalidEvent::LineTooLarge);
        }
        let json = std::str::from_utf8(json).map_err(|_| InvalidEvent::NotUtf8)?;
        // Asked for before reading: serde would take an array for an object's fields in order.
        let is_object = json.starts_with('{');
        if !is_object {
            return Err(not_an_object(json));
        }
        let sent: Sent<'a> = serde_json::from_str(json).map_err(|err| not_json(json, &err))?;
        if json.len() > EVENT_BYTES_MAX && json.len() - sent.dropped_bytes() > EVENT_BYTES_MAX {
            return Err(InvalidEvent::TooLarge);
        }
        sent.check()
    }
}

/// JSON without the white space around it and the byte order marks before it. RFC 8259 lets a reader pass over a mark;
/// files that were appended to each other have one before each part.
pub fn trimmed(json: &[u8]) -> &[u8] {
    let mut json = json.trim_ascii();
    while let Some(behind) = json.strip_prefix(&BYTE_ORDER_MARK) {
        json = behind.trim_ascii_start();
    }
    json
}

/// Whether it is UTF-8, and not UTF-16 that happens to be: the first character of JSON is ASCII, so in UTF-16 one of the
/// first two bytes is zero.
pub fn is_utf8(json: &[u8]) -> bool {
    !json.iter().take(2).any(|byte| *byte == 0) && std::str::from_utf8(json).is_ok()
}

fn not_an_object(json: &str) -> InvalidEvent {
    match serde_json::from_str::<IgnoredAny>(json) {
        Ok(_) => InvalidEvent::NotAnObject,
        Err(err) => not_json(json, &err),
    }
}

fn not_json(json: &str, err: &serde_json::Error) -> InvalidEvent {
    if is_utf8(json.as_bytes()) { InvalidEvent::NotJson(err.to_string()) } else { InvalidEvent::NotUtf8 }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod properties;
