//! An event: read, and by that checked.

use chrono::{DateTime, Utc};
use serde::de::IgnoredAny;

use crate::field::{EventId, EventPath, EventType, InvalidField, SiteId, UserId};
use crate::referrer::SentReferrer;
use sent::Sent;

/// The JSON, taken apart.
mod sent;

/// Bytes of one event's JSON, without white space around it: 8 KiB.
pub const EVENT_BYTES_MAX: usize = 8 * 1024;

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
    /// Longer than [`EVENT_BYTES_MAX`].
    #[error("an event must be at most 8192 bytes long")]
    TooLarge,
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
        let json = json.trim_ascii();
        if json.len() > EVENT_BYTES_MAX {
            return Err(InvalidEvent::TooLarge);
        }
        let json = std::str::from_utf8(json).map_err(|_| InvalidEvent::NotUtf8)?;
        // Asked for before reading: serde would take an array for an object's fields in order.
        let is_object = json.starts_with('{');
        if !is_object {
            return Err(not_an_object(json));
        }
        let sent: Sent<'a> = serde_json::from_str(json).map_err(not_json)?;
        sent.check()
    }
}

fn not_an_object(json: &str) -> InvalidEvent {
    match serde_json::from_str::<IgnoredAny>(json) {
        Ok(_) => InvalidEvent::NotAnObject,
        Err(err) => not_json(err),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "map_err passes it so")]
fn not_json(err: serde_json::Error) -> InvalidEvent {
    InvalidEvent::NotJson(err.to_string())
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod properties;
