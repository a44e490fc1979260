//! Metrics of ingest, by name. `docs/operations.md` tells operators what each means; a test compares the two.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use service::as_float;

const EVENTS_STORED: &str = "ingest_events_stored_total";
const EVENTS_REJECTED: &str = "ingest_events_rejected_total";
const EVENTS_UNCONFIRMED: &str = "ingest_events_unconfirmed_total";
const ENVELOPE_S: &str = "ingest_envelope_seconds";
const ENVELOPE_EVENTS: &str = "ingest_envelope_events";
const ENVELOPE_BYTES: &str = "ingest_envelope_bytes";
const ENVELOPE_RETRIES: &str = "ingest_envelope_retries_total";
const PUBACK_S: &str = "ingest_puback_seconds";
const QUEUE_BYTES: &str = "ingest_queue_bytes";
const QUEUE_BYTES_MAX: &str = "ingest_queue_bytes_max";
const BODIES_BYTES: &str = "ingest_bodies_bytes";
const BODIES_BYTES_MAX: &str = "ingest_bodies_bytes_max";
const LOG_STORE_BYTES: &str = "ingest_log_store_bytes";
const STREAMS_SHORT_OF_COPIES: &str = "ingest_streams_short_of_copies";
const LOG_STORE_BYTES_MAX: &str = "ingest_log_store_bytes_max";

/// Bytes in use and their maximum, for [`sample`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) bytes: usize,
    pub(crate) bytes_max: usize,
}

/// Describes all metrics, and starts counters at 0: a counter that appears with its first event seems not to have
/// changed. The recorder must be installed.
pub(crate) fn describe(rejected: &[&'static str], unconfirmed: impl IntoIterator<Item = &'static str>) {
    describe_counter!(EVENTS_STORED, Unit::Count, "Events that the log has on disk");
    describe_counter!(EVENTS_REJECTED, Unit::Count, "Invalid events in requests, by reason");
    describe_counter!(EVENTS_UNCONFIRMED, Unit::Count, "Events of requests answered with 503, by reason");
    describe_histogram!(
        ENVELOPE_S,
        Unit::Seconds,
        "Time from an envelope's first publication to the answer of its events"
    );
    describe_histogram!(ENVELOPE_EVENTS, Unit::Count, "Events of an envelope");
    describe_histogram!(ENVELOPE_BYTES, Unit::Bytes, "Size of an envelope");
    describe_counter!(ENVELOPE_RETRIES, Unit::Count, "Envelopes that were published again");
    describe_histogram!(PUBACK_S, Unit::Seconds, "Time from publishing an envelope to its PubAck");
    describe_gauge!(QUEUE_BYTES, Unit::Bytes, "Events that wait for the log, with 512 bytes of bookkeeping each");
    describe_gauge!(QUEUE_BYTES_MAX, Unit::Bytes, "Maximum of ingest_queue_bytes (QUEUE_BYTES_MAX)");
    describe_gauge!(BODIES_BYTES, Unit::Bytes, "Request bodies in memory");
    describe_gauge!(BODIES_BYTES_MAX, Unit::Bytes, "Maximum of ingest_bodies_bytes (BODIES_BYTES_MAX)");
    describe_gauge!(LOG_STORE_BYTES, Unit::Bytes, "Bytes of streams on the disk of a server of the log");
    describe_gauge!(LOG_STORE_BYTES_MAX, Unit::Bytes, "Maximum of ingest_log_store_bytes, where the server has one");
    describe_gauge!(STREAMS_SHORT_OF_COPIES, Unit::Count, "Streams with fewer copies than STREAM_REPLICAS says");
    stored(0);
    for name in [ENVELOPE_S, ENVELOPE_EVENTS, ENVELOPE_BYTES, PUBACK_S] {
        let _ = histogram!(name);
    }
    counter!(ENVELOPE_RETRIES).increment(0);
    for reason in rejected {
        counter!(EVENTS_REJECTED, "reason" => *reason).increment(0);
    }
    for reason in unconfirmed {
        self::unconfirmed(reason, 0);
    }
}

/// Sets the gauges that are read only when metrics are asked for.
pub(crate) fn sample(queue: Usage, bodies: Usage) {
    for (name, bytes) in [
        (QUEUE_BYTES, queue.bytes),
        (QUEUE_BYTES_MAX, queue.bytes_max),
        (BODIES_BYTES, bodies.bytes),
        (BODIES_BYTES_MAX, bodies.bytes_max),
    ] {
        gauge!(name).set(as_float(bytes as u64));
    }
}

pub(crate) fn stored(events: u32) {
    counter!(EVENTS_STORED).increment(events.into());
}

pub(crate) fn rejected(reason: &'static str) {
    counter!(EVENTS_REJECTED, "reason" => reason).increment(1);
}

pub(crate) fn unconfirmed(reason: &'static str, events: usize) {
    counter!(EVENTS_UNCONFIRMED, "reason" => reason).increment(events as u64);
}

/// Records an envelope whose requests were answered, with success or failure.
pub(crate) fn envelope(events: u32, bytes: usize, took: Duration) {
    histogram!(ENVELOPE_S).record(took);
    histogram!(ENVELOPE_EVENTS).record(events);
    histogram!(ENVELOPE_BYTES).record(as_float(bytes as u64));
}

pub(crate) fn retried() {
    counter!(ENVELOPE_RETRIES).increment(1);
}

pub(crate) fn acknowledged(took: Duration) {
    histogram!(PUBACK_S).record(took);
}

pub(crate) fn short_of_copies(streams: usize) {
    gauge!(STREAMS_SHORT_OF_COPIES).set(as_float(streams as u64));
}

/// Records the storage of one of the log's servers; `bytes_max` is 0 where there is no bound.
pub(crate) fn log_store(server: &str, bytes: u64, bytes_max: u64) {
    gauge!(LOG_STORE_BYTES, "server" => server.to_owned()).set(as_float(bytes));
    if bytes_max > 0 {
        gauge!(LOG_STORE_BYTES_MAX, "server" => server.to_owned()).set(as_float(bytes_max));
    }
}
