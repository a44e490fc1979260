//! The headers of a message, as the log has them: bytes that anyone with ingest's password may have written. They are
//! read here as the client library reads them, but a message whose headers it cannot take is no fault here: it is an
//! envelope of an unknown schema, which names the headers, and is parked for it.
//!
//! What is made of headers is text that can be stored, shown and published again: without control characters, and
//! bounded. It depends on nothing but the headers, so a rebuild, an archive and a restored envelope agree.

use std::borrow::Cow;
use std::fmt::Write as _;

use chrono::{DateTime, Datelike, Utc};
use contract::subjects::{SCHEMA_HEADER, SCHEMA_V1, SENT_AT_HEADER, TRACE_HEADER, UNREADABLE_HEADERS};

/// Bytes of what is kept of a schema: a quarter of what the log's server takes as headers, so that it can be published
/// again beside others. A schema that is known is shorter than 64.
pub const SCHEMA_BYTES_MAX: usize = 16 << 10;

/// Bytes of these that are left for a note of the original length.
const NOTE_BYTES: usize = 64;

const VERSION: &str = "NATS/1.0";

/// The status of a message that is an ordinary one. Others are what a server says to its clients.
const STATUS_OK: &str = "200";

/// What is read of headers.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Headers {
    /// The schema, if there is one, as text that can be stored.
    pub schema: Option<Cow<'static, str>>,
    /// When ingest sent it, by its own clock, if it says so.
    pub sent_at: Option<DateTime<Utc>>,
    /// The place in a trace, as it was sent.
    pub trace: Option<String>,
}

impl Headers {
    /// Reads the headers of a message; of one without, there are no bytes.
    pub fn read(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return Self::default();
        }
        let Some(fields) = fields(bytes) else {
            // In quotes: blanks at the end would be lost where it is published again.
            let schema = format!("{UNREADABLE_HEADERS}\"{}\"", bytes.escape_ascii());
            return Self { schema: Some(storable(&schema)), ..Self::default() };
        };
        let first = |name| fields.iter().find(|(known, _)| *known == name).map(|(_, value)| value);
        Self {
            schema: first(SCHEMA_HEADER).map(|schema| storable(schema)),
            sent_at: first(SENT_AT_HEADER).and_then(|text| sent_at(text)),
            trace: first(TRACE_HEADER).map(ToString::to_string),
        }
    }
}

/// Whether the client library delivers a message with these headers. Whether it does not, it breaks the connection.
pub(super) fn is_deliverable(bytes: &[u8]) -> bool {
    bytes.is_empty() || fields(bytes).is_some()
}

/// A schema as text that can be stored: without control characters, and bounded. What is such a text already stays so.
pub fn storable(schema: &str) -> Cow<'static, str> {
    // The client library keeps the blanks before a value that begins on the next line, and loses them when it is
    // published again.
    let schema = schema.trim();
    // Almost all are of the same one: it is not copied.
    if schema == SCHEMA_V1 {
        return Cow::Borrowed(SCHEMA_V1);
    }
    let mut text = String::with_capacity(schema.len());
    for char in schema.chars() {
        if char.is_control() {
            text.extend(char.escape_default());
        } else {
            text.push(char);
        }
    }
    if text.len() > SCHEMA_BYTES_MAX {
        text.truncate(text.floor_char_boundary(SCHEMA_BYTES_MAX - NOTE_BYTES));
        write!(text, "… ({} bytes)", schema.len()).expect("a text takes everything");
    }
    Cow::Owned(text)
}

/// When ingest sent an envelope. What cannot be read tells as little as none, and neither does a year that could not be
/// written again with four digits.
pub(super) fn sent_at(text: &str) -> Option<DateTime<Utc>> {
    let sent_at = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    (0..=9_999).contains(&sent_at.year()).then_some(sent_at)
}

/// Names and values in order, or nothing where the client library would not take them.
fn fields(bytes: &[u8]) -> Option<Vec<(&str, Cow<'_, str>)>> {
    let mut lines = std::str::from_utf8(bytes).ok()?.lines().peekable();
    let status = lines.next()?.strip_prefix(VERSION)?.trim();
    let status = status.split_once(' ').map_or(status, |(status, _)| status.trim());
    if !status.is_empty() && status != STATUS_OK {
        return None;
    }
    let mut fields = Vec::new();
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let (name, value) = line.split_once(':')?;
        let mut value = Cow::Borrowed(value.trim_start());
        while let Some(more) = lines.next_if(|line| line.starts_with(char::is_whitespace)) {
            value.to_mut().push_str(more);
        }
        // The client library drops blanks at the end before it looks for a return, which is one of them.
        let end = value.trim_end().len();
        if !name.chars().all(|char| char.is_ascii_graphic()) || value[..end].contains('\r') {
            return None;
        }
        fields.push((name, if end == value.len() { value } else { Cow::Owned(value[..end].to_owned()) }));
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(headers: &[u8]) -> Option<String> {
        Headers::read(headers).schema.map(Cow::into_owned)
    }

    #[test]
    fn the_first_schema_counts_and_is_written_as_it_is() {
        assert_eq!(schema(b""), None);
        assert_eq!(schema(b"NATS/1.0\r\n\r\n"), None);
        assert_eq!(schema(b"NATS/1.0\r\nschema: a\r\n: b\r\n\r\n"), None);
        assert_eq!(schema(b"NATS/1.0\r\nSchema:event.v1 \r\nSchema: event.v2\r\n\r\n").as_deref(), Some("event.v1"));
        assert_eq!(schema(b"NATS/1.0 200\r\nSchema: a\r\n b\r\n\r\n").as_deref(), Some("a b"));
        assert_eq!(schema(b"NATS/1.0\r\nSchema:\n a\r\n\r\n").as_deref(), Some("a"));
        assert_eq!(schema(b"NATS/1.0\r\nSchema: a\r\r\n\r\n").as_deref(), Some("a"));
        assert_eq!(schema(b"NATS/1.0 200\t OK\r\nSchema: a\r\n\r\n").as_deref(), Some("a"));
        assert_eq!(schema("NATS/1.0\r\nSchema: ä\0b\r\n\r\n".as_bytes()).as_deref(), Some("ä\\u{0}b"));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let unreadable: [&[u8]; 12] = [
            b" ",
            b"NATS/1.0 404 ",
            b"NATS/1.0\r\nSchema: a\xffb\r\n\r\n",
            b"NATS/1.0\r\nSchema: a\rb\r\n\r\n",
            b"NATS/1.0\r\nSchema: a\r\n\rb\r\n\r\n",
            b"NATS/1.0\r\nno colon\r\n\r\n",
            b"NATS/1.0\r\na name: 1\r\n\r\n",
            b"NATS/1.0 404 gone\r\n\r\n",
            b"NATS/1.0 x\r\n\r\n",
            b"NATS/1.0x\r\n\r\n",
            b"\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
        ];
        for headers in unreadable {
            let schema = schema(headers).expect("a name");
            let named = schema.strip_prefix(UNREADABLE_HEADERS).expect("it says so");
            assert_eq!(named, format!("\"{}\"", headers.escape_ascii()));
            assert!(!is_deliverable(headers));
        }
    }

    #[test]
    fn a_time_is_read_if_it_can_be_written_again() {
        let sent_at = |text: &str| Headers::read(format!("NATS/1.0\r\nSent-At: {text}\r\n\r\n").as_bytes()).sent_at;
        let read = sent_at("2025-11-12T19:30:01.250Z").expect("a time");
        assert_eq!(read.timestamp_millis(), 1_762_975_801_250);
        assert_eq!(["yesterday", "9999-12-31T23:59:59-23:59", "0000-01-01T00:00:00+23:59"].map(sent_at), [None; 3]);
    }

    #[test]
    fn what_is_long_is_cut_once() {
        let text = storable(&"ä".repeat(40_000));
        assert!(text.len() <= SCHEMA_BYTES_MAX && text.ends_with("ä… (80000 bytes)"), "{}", text.len());
        assert_eq!(storable(&text), text);
    }
}
