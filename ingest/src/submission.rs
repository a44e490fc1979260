//! One event that was sent: checked, and the line it becomes in the log.

use chrono::{DateTime, TimeDelta, Utc};
use contract::envelope::{ENVELOPE_BYTES_MAX, push_line};
use contract::{Event, InvalidEvent, Partition};
use service::access::Grant;

/// Clocks of clients may run ahead by this much. The past has no bound: imports are welcome.
const FUTURE_MAX: TimeDelta = TimeDelta::hours(1);

/// What decides whether an event is accepted, beside the event.
#[derive(Debug, Clone)]
pub struct Rules {
    /// When it arrived: the latest that it can be by the clocks of ingest and log.
    pub now: DateTime<Utc>,
    /// Whether these clocks agree.
    pub is_clock_sure: bool,
    /// Bytes of one envelope's body that the log takes; at least the largest event has room.
    pub envelope_bytes_max: usize,
    /// How many partitions there are.
    pub partitions: u16,
    /// What the key is good for that it was sent with.
    pub grant: Grant,
}

impl Rules {
    /// Those of a service that asks for no keys.
    pub fn open(now: DateTime<Utc>, partitions: u16) -> Self {
        let grant = Grant::everything();
        Self { now, is_clock_sure: true, envelope_bytes_max: ENVELOPE_BYTES_MAX, partitions, grant }
    }
}

/// Events of one partition, as they will stand in an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// Where their sites live.
    pub partition: Partition,
    /// One line each, with its line break.
    pub lines: Vec<u8>,
    /// How many.
    pub events: u32,
}

/// Why something that was sent is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// It is no event.
    #[error(transparent)]
    Invalid(#[from] InvalidEvent),
    /// A clock runs ahead, or the event did not happen.
    #[error("timestamp must not be more than one hour in the future")]
    Future,
    /// It may lie in the future, or the clock here is wrong. Sent again later, it may be taken.
    #[error("the clocks of this service and of its log differ or were not compared yet; send the event again later")]
    Unsure,
    /// It is of a site that the key is not good for.
    #[error("the key is not good for this site")]
    NotAllowed,
}

impl Rejected {
    /// All codes of events that are refused for good.
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

    /// For programs; stays what it is when sentences change.
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

impl Submission {
    /// One event from its JSON.
    ///
    /// # Errors
    ///
    /// The first rule that is broken.
    pub fn one(json: &[u8], rules: &Rules) -> Result<Self, Rejected> {
        let partition = check(json, rules)?;
        let mut lines = Vec::with_capacity(json.len() + 1);
        push_line(&mut lines, json);
        Ok(Self { partition, lines, events: 1 })
    }
}

/// The partition an event belongs to, if it is one.
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
        Submission::one(json.as_bytes(), &Rules::open(now, 4))
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
