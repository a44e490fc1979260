//! An event's JSON, taken apart: its known fields, whatever their types. Unknown ones are passed over.
//!
//! The fields with a rule are there once, and are JSON in every respect. `referrer` came later, and old logs and clients
//! have whatever they like under that name: it is read as what is passed over, so that no event is lost by it.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Event, InvalidEvent};
use crate::field::{self, EventId, EventPath, EventType, SiteId, UserId};
use crate::referrer::SentReferrer;

/// The known fields; `None` is absent.
#[derive(Default)]
pub(super) struct Sent<'a> {
    site_id: Option<Value<'a>>,
    event_type: Option<Value<'a>>,
    path: Option<Value<'a>>,
    timestamp: Option<Value<'a>>,
    user_id: Option<Value<'a>>,
    event_id: Option<Value<'a>>,
    /// All that stand under this name.
    referrers: Vec<&'a RawValue>,
}

/// The name of a field.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Name {
    SiteId,
    EventType,
    Path,
    Timestamp,
    UserId,
    EventId,
    Referrer,
    #[serde(other)]
    Other,
}

impl<'a> Sent<'a> {
    pub(super) fn check(self) -> Result<Event<'a>, InvalidEvent> {
        Ok(Event {
            site_id: required(self.site_id, SiteId::FIELD)?.try_into()?,
            event_type: required(self.event_type, EventType::FIELD)?.try_into()?,
            path: required(self.path, EventPath::FIELD)?.try_into()?,
            timestamp: field::timestamp(&required(self.timestamp, "timestamp")?)?,
            user_id: match optional(self.user_id, UserId::FIELD)? {
                Some(user) if !user.is_empty() => Some(user.try_into()?),
                _ => None,
            },
            event_id: optional(self.event_id, EventId::FIELD)?.map(TryInto::try_into).transpose()?,
            referrer: referrer(&self.referrers),
        })
    }
}

fn optional<'a>(value: Option<Value<'a>>, field: &'static str) -> Result<Option<Cow<'a, str>>, InvalidEvent> {
    match value {
        None | Some(Value::Nothing) => Ok(None),
        Some(Value::Text(text)) => Ok(Some(text)),
        Some(Value::NotText) => Err(InvalidEvent::NotText(field)),
    }
}

fn required<'a>(value: Option<Value<'a>>, field: &'static str) -> Result<Cow<'a, str>, InvalidEvent> {
    optional(value, field)?.ok_or(InvalidEvent::Required(field))
}

fn referrer<'a>(sent: &[&'a RawValue]) -> Option<SentReferrer<'a>> {
    let [value] = sent else { return (!sent.is_empty()).then_some(SentReferrer::NotText) };
    // Anything but text is not looked into: it may be nested more deeply than can be followed.
    if !value.get().starts_with('"') {
        return (value.get() != "null").then_some(SentReferrer::NotText);
    }
    match serde_json::from_str(value.get()) {
        Ok(Value::Text(text)) => (!text.is_empty()).then_some(SentReferrer::Text(text)),
        // An escape that stands for no character.
        _ => Some(SentReferrer::NotText),
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Sent<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(SentVisitor)
    }
}

/// Takes the fields in whatever order they come.
struct SentVisitor;

impl<'de> Visitor<'de> for SentVisitor {
    type Value = Sent<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut sent = Sent::default();
        while let Some(name) = fields.next_key()? {
            let (place, field) = match name {
                Name::SiteId => (&mut sent.site_id, SiteId::FIELD),
                Name::EventType => (&mut sent.event_type, EventType::FIELD),
                Name::Path => (&mut sent.path, EventPath::FIELD),
                Name::Timestamp => (&mut sent.timestamp, "timestamp"),
                Name::UserId => (&mut sent.user_id, UserId::FIELD),
                Name::EventId => (&mut sent.event_id, EventId::FIELD),
                Name::Referrer => {
                    sent.referrers.push(fields.next_value()?);
                    continue;
                }
                Name::Other => {
                    fields.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            if place.is_some() {
                return Err(A::Error::duplicate_field(field));
            }
            *place = Some(fields.next_value()?);
        }
        Ok(sent)
    }
}

/// A field's value: text, nothing (null), or something that is no text.
enum Value<'a> {
    Nothing,
    Text(Cow<'a, str>),
    NotText,
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
