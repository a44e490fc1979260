//! Checks of one event that a client sent.

use chrono::{DateTime, TimeDelta, Utc};
use contract::envelope::{ENVELOPE_BYTES_MAX, push_line};
use contract::{Event, InvalidEvent, Partition};
use service::access::Grant;

/// Maximum lead of a client's clock. Timestamps in the past have no bound, so that history can be imported.
const FUTURE_MAX: TimeDelta = TimeDelta::hours(1);

/// Conditions under which events are accepted.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Time of arrival: the latest time that it can be by the clocks of ingest and log.
    pub now: DateTime<Utc>,
    /// Whether these clocks agree.
    pub is_clock_sure: bool,
    /// Bytes of one envelope's body that the log takes; the largest event always fits.
    pub envelope_bytes_max: usize,
    /// Number of partitions.
    pub partitions: u16,
    /// Permissions of the key in the request.
    pub grant: Grant,
}

impl Rules {
    /// The rules of a service without keys.
    pub fn open(now: DateTime<Utc>, partitions: u16) -> Self {
        let grant = Grant::everything();
        Self { now, is_clock_sure: true, envelope_bytes_max: ENVELOPE_BYTES_MAX, partitions, grant }
    }
}

/// Events of one partition, as they will stand in an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// The partition of their sites.
    pub partition: Partition,
    /// One line for each, with its line break.
    pub lines: Vec<u8>,
    /// Number of events.
    pub events: u32,
}

/// Reason for which an event is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// The JSON is no valid event.
    #[error(transparent)]
    Invalid(#[from] InvalidEvent),
    /// The timestamp is more than an hour ahead.
    #[error("timestamp must not be more than one hour in the future")]
    Future,
    /// The timestamp is ahead of a clock that may be wrong; the event may be accepted later.
    #[error("the clocks of this service and of its log differ or were not compared yet; send the event again later")]
    Unsure,
    /// The key does not permit the event's site.
    #[error("the key does not permit this site")]
    NotAllowed,
}

impl Rejected {
    /// Codes of events that are refused for good.
    pub(crate) const CODES: [&'static str; 8] = [
        "event_too_large",
        "not_utf8",
        "not_json",
        "not_an_object",
        "missing_field",
        "invalid_field",
        "in_the_future",
        "site_not_allowed",
    ];

    /// Stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(InvalidEvent::TooLarge | InvalidEvent::LineTooLarge) => "event_too_large",
            Self::Invalid(InvalidEvent::NotUtf8) => "not_utf8",
            Self::Invalid(InvalidEvent::NotJson(_)) => "not_json",
            Self::Invalid(InvalidEvent::NotAnObject) => "not_an_object",
            Self::Invalid(InvalidEvent::Required(_)) => "missing_field",
            Self::Invalid(InvalidEvent::NotText(_) | InvalidEvent::Invalid(_)) => "invalid_field",
            Self::Future => "in_the_future",
            Self::Unsure => "clocks_differ",
            Self::NotAllowed => "site_not_allowed",
        }
    }
}

/// Checks one event, and makes the line of it that is stored.
///
/// # Errors
///
/// The first rule that is broken.
pub fn parse(json: &[u8], rules: &Rules) -> Result<Submission, Rejected> {
    let partition = check(json, rules)?;
    let mut lines = Vec::with_capacity(json.len() + 1);
    push_line(&mut lines, json);
    Ok(Submission { partition, lines, events: 1 })
}

/// Checks an event, and returns its partition.
pub(crate) fn check(json: &[u8], rules: &Rules) -> Result<Partition, Rejected> {
    let event = Event::parse(json)?;
    if !rules.grant.allows(event.site_id.as_str()) {
        return Err(Rejected::NotAllowed);
    }
    if event.timestamp > rules.now + FUTURE_MAX {
        return Err(if rules.is_clock_sure { Rejected::Future } else { Rejected::Unsure });
    }
    Ok(Partition::of(&event.site_id, rules.partitions))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn submit(timestamp: &str) -> Result<Submission, Rejected> {
        let now = "2025-11-12T19:30:00Z".parse().expect("an instant");
        let json = format!(r#"{{"site_id":"a","event_type":"page_view","path":"/","timestamp":"{timestamp}"}}"#);
        parse(json.as_bytes(), &Rules::open(now, 4))
    }

    #[test]
    fn a_clock_may_run_ahead_by_an_hour_and_no_more() {
        for good in ["2025-11-12T20:30:00Z", "2025-11-12T21:29:59+01:00", "1970-01-01T00:00:00Z"] {
            assert!(submit(good).is_ok(), "{good}");
        }
        for bad in ["2025-11-12T20:30:01Z", "2026-11-12T19:30:00Z"] {
            assert_eq!(submit(bad), Err(Rejected::Future), "{bad}");
        }
    }
}
