//! Envelopes: messages of the log with the events of one partition, one JSON object a line.
//!
//! A reader accepts every schema that was ever written. It returns a line that it cannot read with the reason, and goes on.

use crate::event::{Event, InvalidEvent, trimmed};
use crate::subjects::{SCHEMA_V1, UNREADABLE_HEADERS};

/// Maximum lines of an envelope.
pub const ENVELOPE_EVENTS_MAX: usize = 1_000;

/// Maximum bytes of an envelope's body: 256 KiB, a quarter of the default maximum of a NATS server.
pub const ENVELOPE_BYTES_MAX: usize = 256 * 1024;

/// Maximum characters of an unreadable text in a reason.
const SHOWN_CHARS: usize = 64;

/// Body of a message with a known schema and a valid size.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    body: &'a [u8],
}

/// One line of an envelope.
#[derive(Debug)]
pub struct Line<'a> {
    /// Number of the line, from 0. Blank lines count, but are no events.
    pub number: u32,
    /// JSON of the event as it was sent.
    pub json: &'a [u8],
    /// The event, or the reason for which it cannot be read.
    pub event: Result<Event<'a>, InvalidEvent>,
}

/// Reason for which a whole message cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableEnvelope {
    /// The schema is that of a newer version, or of another program.
    #[error("schema {0:?} is unknown")]
    Schema(String),
    /// The headers cannot be parsed, so the schema is not known.
    #[error("headers cannot be read: {0}")]
    Headers(String),
    /// The body is longer than [`ENVELOPE_BYTES_MAX`].
    #[error("an envelope must be at most {ENVELOPE_BYTES_MAX} bytes long")]
    TooLarge,
    /// The body has more lines than [`ENVELOPE_EVENTS_MAX`].
    #[error("an envelope must have at most {ENVELOPE_EVENTS_MAX} lines")]
    TooManyLines,
    /// The body has only blank lines.
    #[error("an envelope must have at least one event")]
    Empty,
}

impl<'a> Envelope<'a> {
    /// Opens the body of a message. `schema` is its [`SCHEMA_HEADER`](crate::subjects::SCHEMA_HEADER), which messages that are
    /// published by hand do not have.
    ///
    /// # Errors
    ///
    /// The body as a whole cannot be read; its events have to be parked together.
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

    /// The lines in order, without blank ones.
    pub fn lines(self) -> impl Iterator<Item = Line<'a>> {
        self.written_lines().map(|(number, json)| Line { number, json, event: Event::parse(json) })
    }

    fn written_lines(self) -> impl Iterator<Item = (u32, &'a [u8])> {
        (0..).zip(self.body.split(|byte| *byte == b'\n')).filter(|(_, line)| !line.trim_ascii().is_empty())
    }
}

/// Appends the JSON of an event to the body of an envelope, as one line. Line breaks occur in JSON only as white space
/// between tokens, so they are replaced by spaces.
pub fn push_line(body: &mut Vec<u8>, json: &[u8]) {
    body.extend(trimmed(json).iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    body.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The golden envelope, for documentation and tests. It never changes.
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
                let (site, kind, path) =
                    (event.site_id.as_str(), event.event_type.as_str(), event.path.without_query());
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
