//! What ingest measures, by name. `docs/operations.md` tells operators what each means; a test compares the two.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::body::Bodies;
use crate::publisher::{Publisher, Unstored};
use crate::submission::Rejected;

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

/// Describes all of it, and lets what is counted begin at 0: what appears with its first event seems not to have changed.
/// The recorder must be installed.
pub(crate) fn describe() {
    describe_counter!(EVENTS_STORED, Unit::Count, "Events that the log has on disk");
    describe_counter!(EVENTS_REJECTED, Unit::Count, "Events that were sent and are none, by reason");
    describe_counter!(EVENTS_UNCONFIRMED, Unit::Count, "Events of requests answered with 503, by reason");
    describe_histogram!(ENVELOPE_S, Unit::Seconds, "From an envelope's first try to the answer of its events");
    describe_histogram!(ENVELOPE_EVENTS, Unit::Count, "Events of an envelope");
    describe_histogram!(ENVELOPE_BYTES, Unit::Bytes, "Size of an envelope");
    describe_counter!(ENVELOPE_RETRIES, Unit::Count, "Envelopes that were published again");
    describe_histogram!(PUBACK_S, Unit::Seconds, "From publishing an envelope to its PubAck");
    describe_gauge!(QUEUE_BYTES, Unit::Bytes, "Events that wait for the log, with 512 bytes of bookkeeping each");
    describe_gauge!(QUEUE_BYTES_MAX, Unit::Bytes, "How many may wait");
    describe_gauge!(BODIES_BYTES, Unit::Bytes, "Request bodies in memory");
    describe_gauge!(BODIES_BYTES_MAX, Unit::Bytes, "How many may be in memory");
    describe_gauge!(LOG_STORE_BYTES, Unit::Bytes, "What streams have on the disk of a server of the log");
    describe_gauge!(LOG_STORE_BYTES_MAX, Unit::Bytes, "What they may have there");
    describe_gauge!(STREAMS_SHORT_OF_COPIES, Unit::Count, "Streams with fewer copies than STREAM_REPLICAS says");
    stored(0);
    for name in [ENVELOPE_S, ENVELOPE_EVENTS, ENVELOPE_BYTES, PUBACK_S] {
        let _ = histogram!(name);
    }
    counter!(ENVELOPE_RETRIES).increment(0);
    for reason in Rejected::CODES {
        counter!(EVENTS_REJECTED, "reason" => reason).increment(0);
    }
    for reason in Unstored::ALL {
        unconfirmed(reason, 0);
    }
}

/// Sets what is only looked at when somebody asks.
pub(crate) fn sample(publisher: &Publisher, bodies: &Bodies) {
    let (waiting, waiting_max) = publisher.depth();
    let (held, held_max) = bodies.held();
    for (name, bytes) in
        [(QUEUE_BYTES, waiting), (QUEUE_BYTES_MAX, waiting_max), (BODIES_BYTES, held), (BODIES_BYTES_MAX, held_max)]
    {
        gauge!(name).set(as_float(bytes as u64));
    }
}

pub(crate) fn stored(events: u32) {
    counter!(EVENTS_STORED).increment(events.into());
}

pub(crate) fn rejected(reason: &Rejected) {
    counter!(EVENTS_REJECTED, "reason" => reason.code()).increment(1);
}

pub(crate) fn unconfirmed(reason: Unstored, events: usize) {
    counter!(EVENTS_UNCONFIRMED, "reason" => reason.code()).increment(events as u64);
}

/// An envelope whose events have their answer, whichever.
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

/// How many streams have fewer copies than declared.
pub(crate) fn short_of_copies(streams: usize) {
    gauge!(STREAMS_SHORT_OF_COPIES).set(as_float(streams as u64));
}

/// What streams have on a server's disk, and what they may have; 0 where there is no bound.
pub(crate) fn log_store(server: &str, bytes: u64, bytes_max: u64) {
    gauge!(LOG_STORE_BYTES, "server" => server.to_owned()).set(as_float(bytes));
    if bytes_max > 0 {
        gauge!(LOG_STORE_BYTES_MAX, "server" => server.to_owned()).set(as_float(bytes_max));
    }
}

#[expect(clippy::cast_precision_loss, reason = "a metric is a float")]
fn as_float(number: u64) -> f64 {
    number as f64
}
