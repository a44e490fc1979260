//! Known fields of an event's JSON, before their rules are checked. Unknown fields are skipped.
//!
//! A repeated field makes the event invalid, except `referrer`: it was added later, and old logs may have any values under
//! that name.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::text::{has_lone_surrogate, text};
use super::{Event, InvalidEvent};
use crate::field::{self, EventId, EventPath, EventType, SiteId, UserId};
use crate::referrer::SentReferrer;

/// Raw values of the known fields; `None` is absent.
#[derive(Default)]
pub(super) struct Sent<'a> {
    site_id: Option<&'a RawValue>,
    event_type: Option<&'a RawValue>,
    path: Option<&'a RawValue>,
    timestamp: Option<&'a RawValue>,
    user_id: Option<&'a RawValue>,
    event_id: Option<&'a RawValue>,
    /// All values of the field.
    referrers: Vec<&'a RawValue>,
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

    /// Bytes that are not counted: the query and the fragment of the path, and the referrer.
    pub(super) fn dropped_bytes(&self) -> usize {
        let of_referrers: usize = self.referrers.iter().map(|value| value.get().len()).sum();
        of_referrers + self.path.map_or(0, dropped_path_bytes)
    }
}

fn dropped_path_bytes(path: &RawValue) -> usize {
    let Ok(Some(sent)) = optional(Some(path), EventPath::FIELD) else { return 0 };
    let counted = field::without_query(&sent);
    let quotes = 2;
    if counted.len() == sent.len() { 0 } else { path.get().len() - quotes - counted.len() }
}

fn optional<'a>(value: Option<&'a RawValue>, field: &'static str) -> Result<Option<Cow<'a, str>>, InvalidEvent> {
    match value.map(RawValue::get) {
        None | Some("null") => Ok(None),
        Some(string) if string.starts_with('"') => Ok(Some(text(string))),
        Some(_) => Err(InvalidEvent::NotText(field)),
    }
}

fn required<'a>(value: Option<&'a RawValue>, field: &'static str) -> Result<Cow<'a, str>, InvalidEvent> {
    optional(value, field)?.ok_or(InvalidEvent::Required(field))
}

fn referrer<'a>(sent: &[&'a RawValue]) -> Option<SentReferrer<'a>> {
    let [value] = sent else { return (!sent.is_empty()).then_some(SentReferrer::NotText) };
    match optional(Some(value), "referrer") {
        Ok(Some(text)) if has_lone_surrogate(value.get()) => Some(SentReferrer::Repaired(text)),
        Ok(text) => text.filter(|text| !text.is_empty()).map(SentReferrer::Text),
        Err(_) => Some(SentReferrer::NotText),
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Sent<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(SentVisitor)
    }
}

/// Visits the fields in any order.
struct SentVisitor;

impl<'de> Visitor<'de> for SentVisitor {
    type Value = Sent<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut sent = Sent::default();
        // Raw names: a name with a lone surrogate cannot be decoded, and is unknown.
        while let Some(name) = fields.next_key::<&RawValue>()? {
            let (place, field) = match &*text(name.get()) {
                SiteId::FIELD => (&mut sent.site_id, SiteId::FIELD),
                EventType::FIELD => (&mut sent.event_type, EventType::FIELD),
                EventPath::FIELD => (&mut sent.path, EventPath::FIELD),
                "timestamp" => (&mut sent.timestamp, "timestamp"),
                UserId::FIELD => (&mut sent.user_id, UserId::FIELD),
                EventId::FIELD => (&mut sent.event_id, EventId::FIELD),
                "referrer" => {
                    sent.referrers.push(fields.next_value()?);
                    continue;
                }
                _ => {
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
