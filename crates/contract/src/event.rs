//! Events: parsing checks all rules, so an [`Event`] is always valid.

use chrono::{DateTime, Utc};
use serde::de::IgnoredAny;

use crate::field::{EventId, EventPath, EventType, InvalidField, SiteId, UserId};
use crate::referrer::SentReferrer;
use sent::Sent;

mod sent;

mod text;

/// Maximum bytes of an event's JSON without the parts that are not counted: white space around it, the query and the
/// fragment of its path, and its referrer. 8 KiB.
pub const EVENT_BYTES_MAX: usize = 8 * 1024;

/// Maximum bytes of an event's whole JSON, which is its line in the log without the line break: 32 KiB. That is
/// [`EVENT_BYTES_MAX`], a query and a referrer of 8 KiB each, as web servers accept, and 8 KiB for escapes in them.
pub const EVENT_LINE_BYTES_MAX: usize = 4 * EVENT_BYTES_MAX;

/// U+FEFF in UTF-8, which Windows programs write before text.
const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// Fields that Tidemark reads of an event. All other JSON stays in the log for later folds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// Site of the event.
    pub site_id: SiteId<'a>,
    /// Type of the event.
    pub event_type: EventType<'a>,
    /// Path on the site.
    pub path: EventPath<'a>,
    /// Time by the client's clock.
    pub timestamp: DateTime<Utc>,
    /// User. Absent, null and empty mean an unknown user.
    pub user_id: Option<UserId<'a>>,
    /// Idempotency key of the client.
    pub event_id: Option<EventId<'a>>,
    /// Referrer. Absent, null and empty mean none. No value makes an event invalid; [`Referrer`](crate::Referrer) describes
    /// what is counted.
    pub referrer: Option<SentReferrer<'a>>,
}

/// Reason for which a text is no event. The message is one sentence for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEvent {
    /// The counted parts are longer than [`EVENT_BYTES_MAX`].
    #[error("an event must be at most {EVENT_BYTES_MAX} bytes long")]
    TooLarge,
    /// The JSON is longer than [`EVENT_LINE_BYTES_MAX`].
    #[error("an event with its query and its referrer must be at most {EVENT_LINE_BYTES_MAX} bytes long")]
    LineTooLarge,
    /// The text is not UTF-8.
    #[error("an event must be UTF-8 text")]
    NotUtf8,
    /// The text is not JSON, or has a known field twice.
    #[error("an event must be valid JSON: {0}")]
    NotJson(String),
    /// The JSON is a number or an array, for example.
    #[error("an event must be a JSON object")]
    NotAnObject,
    /// A required field is absent or null.
    #[error("{0} is required")]
    Required(&'static str),
    /// A field is a number or an object, for example.
    #[error("{0} must be a string")]
    NotText(&'static str),
    /// A field breaks its rule.
    #[error(transparent)]
    Invalid(#[from] InvalidField),
}

impl<'a> Event<'a> {
    /// Parses one event.
    ///
    /// # Errors
    ///
    /// The first rule that is broken, in the order of the fields above.
    pub fn parse(json: &'a [u8]) -> Result<Self, InvalidEvent> {
        let json = trimmed(json);
        if json.len() > EVENT_LINE_BYTES_MAX {
            return Err(InvalidEvent::LineTooLarge);
        }
        let json = std::str::from_utf8(json).map_err(|_| InvalidEvent::NotUtf8)?;
        // Checked before parsing: serde would accept an array as the fields of an object in order.
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

/// Removes white space around JSON, and byte order marks before it. RFC 8259 permits to ignore a mark; concatenated files
/// have one before each part.
pub fn trimmed(json: &[u8]) -> &[u8] {
    let mut json = json.trim_ascii();
    while let Some(behind) = json.strip_prefix(&BYTE_ORDER_MARK) {
        json = behind.trim_ascii_start();
    }
    json
}

/// Whether JSON is UTF-8 and not UTF-16, some of which is also valid UTF-8. The first character of JSON is ASCII, so in UTF-16
/// one of the first two bytes is zero.
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
