//! Envelopes: one message of the log holds 1..n events of one partition, one JSON object a line.
//!
//! A reader accepts every schema ever written. What it cannot read it hands back with the reason, and reads on.

use crate::event::{Event, InvalidEvent, trimmed};
use crate::log::{SCHEMA_V1, UNREADABLE_HEADERS};

/// Lines of one envelope.
pub const ENVELOPE_EVENTS_MAX: usize = 1_000;

/// Bytes of one envelope's body: 256 KiB, a quarter of what a NATS server takes by default.
pub const ENVELOPE_BYTES_MAX: usize = 256 * 1024;

/// Characters that a reason shows of what cannot be read.
const SHOWN_CHARS: usize = 64;

/// A message body whose schema is known and whose size is within bounds.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    body: &'a [u8],
}

/// One line of an envelope.
#[derive(Debug)]
pub struct Line<'a> {
    /// Its number, from 0. Blank lines have numbers too, but are no events.
    pub number: u32,
    /// The event as it was sent.
    pub json: &'a [u8],
    /// What it says, or why that cannot be read.
    pub event: Result<Event<'a>, InvalidEvent>,
}

/// Why a whole message cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableEnvelope {
    /// Written by something newer, or not meant for us.
    #[error("schema {0:?} is unknown")]
    Schema(String),
    /// Not even its headers can be read: what they say of the body is not known. They are named.
    #[error("headers cannot be read: {0}")]
    Headers(String),
    /// Longer than [`ENVELOPE_BYTES_MAX`].
    #[error("an envelope must be at most {ENVELOPE_BYTES_MAX} bytes long")]
    TooLarge,
    /// More lines than [`ENVELOPE_EVENTS_MAX`].
    #[error("an envelope must have at most {ENVELOPE_EVENTS_MAX} lines")]
    TooManyLines,
    /// No line in it but blank ones.
    #[error("an envelope must have at least one event")]
    Empty,
}

impl<'a> Envelope<'a> {
    /// Opens a message's body. `schema` is its [`SCHEMA_HEADER`](crate::log::SCHEMA_HEADER), if it has one: what a
    /// person publishes by hand has none.
    ///
    /// # Errors
    ///
    /// The body as a whole cannot be read; its events are to be parked together.
    pub fn open(schema: Option<&str>, body: &'a [u8]) -> Result<Self, UnreadableEnvelope> {
        if let Some(schema) = schema.filter(|schema| *schema != SCHEMA_V1) {
            let shown = |text: &str| text.chars().take(SHOWN_CHARS).collect();
            return Err(match schema.strip_prefix(UNREADABLE_HEADERS) {
                Some(headers) => UnreadableEnvelope::Headers(shown(headers)),
                None => UnreadableEnvelope::Schema(shown(schema)),
            });
        }
        if body.len() > ENVELOPE_BYTES_MAX {
            return Err(UnreadableEnvelope::TooLarge);
        }
        let envelope = Self { body };
        match envelope.written_lines().count() {
            0 => Err(UnreadableEnvelope::Empty),
            1..=ENVELOPE_EVENTS_MAX => Ok(envelope),
            _ => Err(UnreadableEnvelope::TooManyLines),
        }
    }

    /// Its lines in order, without blank ones.
    pub fn lines(self) -> impl Iterator<Item = Line<'a>> {
        self.written_lines().map(|(number, json)| Line { number, json, event: Event::parse(json) })
    }

    fn written_lines(self) -> impl Iterator<Item = (u32, &'a [u8])> {
        (0..).zip(self.body.split(|byte| *byte == b'\n')).filter(|(_, line)| !line.trim_ascii().is_empty())
    }
}

/// Adds one event's JSON to an envelope's body, as one line.
///
/// Line breaks can stand in JSON only as white space between tokens, so a space says the same.
pub fn push_line(body: &mut Vec<u8>, json: &[u8]) {
    body.extend(trimmed(json).iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    body.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The golden envelope: documentation and test. It may gain siblings, it never changes.
    const GOLDEN: &str = include_str!("../fixtures/envelope.ndjson");

    #[test]
    fn the_golden_envelope_is_read() {
        let envelope = Envelope::open(Some("event.v1"), GOLDEN.as_bytes()).expect("readable");
        let said: Vec<_> = envelope
            .lines()
            .map(|line| {
                let event = line.event.expect("an event");
                let user = event.user_id.as_ref().map_or("-", |user| user.as_str()).to_owned();
                let id = event.event_id.as_ref().map_or("-", |id| id.as_str()).to_owned();
                let instant = event.timestamp.to_rfc3339();
                let (site, kind, path) = (event.site_id.as_str(), event.event_type.as_str(), event.path.counted());
                format!("{} {site} {kind} {path} {instant} {user} {id}", line.number)
            })
            .collect();
        assert_eq!(
            said,
            [
                "0 site-abc-123 page_view /pricing 2025-11-12T19:30:01+00:00 user-xyz-789 -",
                "1 site-abc-123 page_view /pricing 2025-11-12T19:30:02.250+00:00 - 01JCGX3P",
                "2 site-abc-123 signup / 2025-11-12T19:30:05+00:00 - -",
            ]
        );
    }

    #[test]
    fn one_bad_line_does_not_hide_its_neighbours() {
        let body = GOLDEN.replacen("\"page_view\"", "7", 1);
        let lines: Vec<_> = Envelope::open(None, body.as_bytes()).expect("readable").lines().collect();
        assert_eq!(lines.iter().map(|line| line.event.is_ok()).collect::<Vec<_>>(), [false, true, true]);
    }

    #[test]
    fn an_event_of_several_lines_becomes_one() {
        let mut body = Vec::new();
        push_line(&mut body, b"\xef\xbb\xbf\n{\"a\":\r\n 1}\n");
        push_line(&mut body, b"{}");
        assert_eq!(String::from_utf8(body).expect("UTF-8"), "{\"a\":   1}\n{}\n");
    }

    #[test]
    fn what_cannot_be_opened_says_why() {
        let open = |schema, body: &[u8]| Envelope::open(schema, body).map(|_| ()).expect_err("unreadable");
        assert_eq!(open(Some("event.v2"), b"{}"), UnreadableEnvelope::Schema("event.v2".into()));
        let headers = open(Some("unreadable headers: NATS/1.0\\r\\n\\xff"), b"{}");
        assert_eq!(headers.to_string(), "headers cannot be read: NATS/1.0\\r\\n\\xff");
        assert_eq!(open(None, b" \n\n"), UnreadableEnvelope::Empty);
        assert_eq!(open(None, &vec![b'{'; ENVELOPE_BYTES_MAX + 1]), UnreadableEnvelope::TooLarge);
        assert_eq!(open(None, "{}\n".repeat(1_001).as_bytes()), UnreadableEnvelope::TooManyLines);
        assert!(Envelope::open(None, "{}\n".repeat(1_000).as_bytes()).is_ok());
    }
}
