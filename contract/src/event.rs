//! An event: read, and by that checked.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::field::{self, EventId, EventPath, EventType, InvalidField, SiteId, UserId};

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

/// An event's known fields, whatever their types. Unknown ones are passed over.
#[derive(Deserialize)]
#[serde(expecting = "a JSON object")]
struct Sent<'a> {
    #[serde(borrow, default)]
    site_id: Value<'a>,
    #[serde(borrow, default)]
    event_type: Value<'a>,
    #[serde(borrow, default)]
    path: Value<'a>,
    #[serde(borrow, default)]
    timestamp: Value<'a>,
    #[serde(borrow, default)]
    user_id: Value<'a>,
    #[serde(borrow, default)]
    event_id: Value<'a>,
}

impl<'a> Sent<'a> {
    fn check(self) -> Result<Event<'a>, InvalidEvent> {
        Ok(Event {
            site_id: self.site_id.required(SiteId::FIELD)?.try_into()?,
            event_type: self.event_type.required(EventType::FIELD)?.try_into()?,
            path: self.path.required(EventPath::FIELD)?.try_into()?,
            timestamp: field::timestamp(&self.timestamp.required("timestamp")?)?,
            user_id: match self.user_id.optional(UserId::FIELD)? {
                Some(user) if !user.is_empty() => Some(user.try_into()?),
                _ => None,
            },
            event_id: self.event_id.optional(EventId::FIELD)?.map(TryInto::try_into).transpose()?,
        })
    }
}

/// A field's value: text, nothing (absent or null), or something that is no text.
#[derive(Default)]
enum Value<'a> {
    #[default]
    Nothing,
    Text(Cow<'a, str>),
    NotText,
}

impl<'a> Value<'a> {
    fn optional(self, field: &'static str) -> Result<Option<Cow<'a, str>>, InvalidEvent> {
        match self {
            Self::Nothing => Ok(None),
            Self::Text(text) => Ok(Some(text)),
            Self::NotText => Err(InvalidEvent::NotText(field)),
        }
    }

    fn required(self, field: &'static str) -> Result<Cow<'a, str>, InvalidEvent> {
        self.optional(field)?.ok_or(InvalidEvent::Required(field))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Value<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

/// Takes any JSON value; borrows a string that has no escapes.
struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Value::NotText)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Value::NotText)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Value::NotText)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Value::NotText)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::NotText)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::NotText)
    }
}

#[cfg(test)]
mod tests;
