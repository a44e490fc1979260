//! One envelope of the log, from its place in the stream or from what stands for it there.

use std::borrow::Cow;

use async_nats::jetstream;
use async_nats::jetstream::message::StreamMessage;
use async_nats::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use contract::subjects::{EVENT_COUNT_HEADER, LOGGED_AT_HEADER, SCHEMA_HEADER, SENT_AT_HEADER, TRACE_HEADER};
use service::traces::{self, SpanContext};

use super::error::{LogError, log_error};
use super::headers::{self, Headers, storable};
use super::lookup::StoredMessage;

/// Bytes that the log's server stores beside a message: 22 before it, and a checksum of 8.
const RECORD_BYTES: usize = 22 + 8;

/// Bytes of the length that is stored before headers, if there are any.
const HEADERS_LENGTH_BYTES: usize = 4;

/// Bytes of the first line of headers, 8, and of two ends of lines.
const HEADERS_BYTES: usize = 8 + 2 + 2;

/// Bytes of a header beside its name and value: a colon, a space, and the end of the line.
const FIELD_BYTES: usize = 4;

/// What the log has under one sequence.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Sequence in the partition's stream.
    pub sequence: u64,
    /// Time at which the log stored it.
    pub logged_at: DateTime<Utc>,
    /// When ingest sent it, by its own clock, if it says so.
    pub sent_at: Option<DateTime<Utc>>,
    /// Schema header, if there is one.
    pub schema: Option<Cow<'static, str>>,
    /// Body of the message.
    pub body: Bytes,
    /// How many bytes of the stream it takes; what stands for an envelope takes none.
    pub stored_bytes: u64,
    /// Envelopes that the log had behind it.
    pub pending: u64,
    /// Sequence in the stream of redactions, if this is a redaction.
    pub amendment: Option<u64>,
    /// Whether a redaction has left nothing. An envelope that was sent without an event is not erased but parked.
    pub is_erased: bool,
    /// Span context of the request that sent it, if it is traced.
    pub trace: Option<SpanContext>,
}

impl Entry {
    /// An envelope in its place.
    pub fn of(message: &jetstream::Message) -> Result<Self, LogError> {
        let info = message.info().map_err(|source| LogError::Log { doing: "reading a message's place", source })?;
        Ok(Self {
            sequence: info.stream_sequence,
            logged_at: info.published,
            sent_at: sent_at(message.headers.as_ref()),
            schema: schema(message.headers.as_ref()),
            body: message.payload.clone(),
            stored_bytes: stored_bytes(message),
            pending: info.pending,
            amendment: None,
            is_erased: false,
            trace: trace(message.headers.as_ref()),
        })
    }

    /// An envelope in its place, as the log was asked for it. The stream ends at `last`.
    pub fn stored(stored: StoredMessage, last: u64) -> Self {
        let Headers { schema, sent_at, trace } = Headers::read(&stored.headers);
        let trace = trace.filter(|_| traces::is_on());
        Self {
            sequence: stored.sequence,
            logged_at: stored.logged_at,
            sent_at,
            schema,
            stored_bytes: record_bytes(stored.subject.len(), stored.headers.len(), stored.body.len()),
            body: stored.body,
            pending: last.saturating_sub(stored.sequence),
            amendment: None,
            is_erased: false,
            trace: trace.and_then(|header| traces::carried(&header)),
        }
    }

    /// What stands for the envelope of this sequence.
    pub fn amended(sequence: u64, amendment: StreamMessage) -> Result<Self, LogError> {
        let logged_at = amendment.headers.get(LOGGED_AT_HEADER).map_or("", HeaderValue::as_str);
        let logged_at = DateTime::parse_from_rfc3339(logged_at).map_err(log_error("reading an amendment's time"))?;
        Ok(Self {
            sequence,
            logged_at: logged_at.to_utc(),
            sent_at: sent_at(Some(&amendment.headers)),
            schema: schema(Some(&amendment.headers)),
            body: amendment.payload,
            stored_bytes: 0,
            pending: 0,
            amendment: Some(amendment.sequence),
            is_erased: amendment.headers.get(EVENT_COUNT_HEADER).is_some_and(|count| count.as_str() == "0"),
            // Long ago.
            trace: None,
        })
    }
}

/// As the log's server counts them.
fn stored_bytes(message: &jetstream::Message) -> u64 {
    let fields = |headers: &HeaderMap| {
        let fields = headers.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
        fields
            .map(|(name, value)| <HeaderName as AsRef<str>>::as_ref(name).len() + value.as_str().len() + FIELD_BYTES)
            .sum::<usize>()
    };
    let headers = message.headers.as_ref().map_or(0, |headers| HEADERS_BYTES + fields(headers));
    record_bytes(message.subject.len(), headers, message.payload.len())
}

fn record_bytes(subject: usize, headers: usize, body: usize) -> u64 {
    let headers = if headers == 0 { 0 } else { HEADERS_LENGTH_BYTES + headers };
    (RECORD_BYTES + subject + headers + body) as u64
}

fn trace(headers: Option<&HeaderMap>) -> Option<SpanContext> {
    headers.filter(|_| traces::is_on())?.get(TRACE_HEADER).and_then(|header| traces::carried(header.as_str()))
}

fn sent_at(headers: Option<&HeaderMap>) -> Option<DateTime<Utc>> {
    headers::sent_at(headers?.get(SENT_AT_HEADER)?.as_str())
}

fn schema(headers: Option<&HeaderMap>) -> Option<Cow<'static, str>> {
    Some(storable(headers?.get(SCHEMA_HEADER)?.as_str()))
}
