//! What the projector measures, by name. `docs/operations.md` tells operators what each means; a test compares the two.

use std::fmt::Display;
use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use service::as_float;
use sqlx::PgPool;

const EVENTS: &str = "projector_events_total";
const PARKED_EVENTS: &str = "projector_parked_events_total";
const REPEATS: &str = "projector_repeats_total";
const FORGOTTEN: &str = "projector_event_ids_forgotten_total";
const CAPPED: &str = "projector_capped_events_total";
const BATCHES: &str = "projector_batches_total";
const BATCH_EVENTS: &str = "projector_batch_events";
const BATCH_S: &str = "projector_batch_seconds";
const COMMIT_S: &str = "projector_commit_seconds";
const OWNED: &str = "projector_partition_owned";
const HALTED: &str = "projector_partition_halted";
const LAG_ENVELOPES: &str = "projector_lag_envelopes";
const LAG_EVENTS: &str = "projector_lag_events";
const LAG_S: &str = "projector_lag_seconds";
const STALLED_S: &str = "projector_stalled_seconds";
const ACTIVE: &str = "projector_generation_active";
const SUMMARIES: &str = "projector_month_summaries_total";
const PARKED: &str = "projector_parked_events";
const LOG_BYTES: &str = "projector_log_bytes";
const LOG_BYTES_MAX: &str = "projector_log_bytes_max";
const CONNECTIONS: &str = "projector_pool_connections";
const CONNECTIONS_MAX: &str = "projector_pool_connections_max";

/// Labels of one partition in one generation.
#[derive(Debug, Clone)]
pub(crate) struct Labels([(&'static str, String); 2]);

impl Labels {
    /// Labels with these two values.
    pub(crate) fn new(generation: impl Display, partition: impl Display) -> Self {
        Self([("generation", generation.to_string()), ("partition", partition.to_string())])
    }
}

/// Numbers of a batch that was committed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Committed {
    /// Events that were counted.
    pub(crate) counted: u64,
    /// Events that were parked.
    pub(crate) parked: u64,
    /// Events that were not counted because their ids were known.
    pub(crate) repeats: u64,
    /// Event ids that were forgotten before their window.
    pub(crate) forgotten: u64,
    /// Events of all three kinds.
    pub(crate) events: u64,
}

/// State of a partition.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Condition {
    pub(crate) is_owned: bool,
    pub(crate) is_halted: bool,
    pub(crate) lag_envelopes: u64,
    pub(crate) lag_events: u64,
    pub(crate) lag: Duration,
    pub(crate) stalled_for: Duration,
}

/// Describes all of it. The recorder must be installed.
pub(crate) fn describe() {
    describe_counter!(EVENTS, Unit::Count, "Events that were counted");
    describe_counter!(PARKED_EVENTS, Unit::Count, "Events that could not be read and were parked");
    describe_counter!(REPEATS, Unit::Count, "Events that were not counted because their ids were known");
    describe_counter!(
        FORGOTTEN,
        Unit::Count,
        "Event ids that were forgotten before their window because there were too many"
    );
    describe_counter!(
        CAPPED,
        Unit::Count,
        "Events that were counted as (other), or on no day, by what their site has too many of"
    );
    describe_counter!(BATCHES, Unit::Count, "Batches that were committed");
    describe_histogram!(BATCH_EVENTS, Unit::Count, "Events of a batch");
    describe_histogram!(BATCH_S, Unit::Seconds, "From a batch's first envelope to its last, folded");
    describe_histogram!(COMMIT_S, Unit::Seconds, "Committing a batch");
    describe_gauge!(OWNED, Unit::Count, "1 where this projector owns the partition");
    describe_gauge!(HALTED, Unit::Count, "1 where the partition is halted until an operator acts");
    describe_gauge!(LAG_ENVELOPES, Unit::Count, "Envelopes in the log that are not folded");
    describe_gauge!(LAG_EVENTS, Unit::Count, "Events in them, about");
    describe_gauge!(LAG_S, Unit::Seconds, "How old the first of them is at most");
    describe_gauge!(STALLED_S, Unit::Seconds, "For how long nothing of them was committed, in the active generation");
    describe_gauge!(ACTIVE, Unit::Count, "1 where reports come from the generation");
    describe_counter!(SUMMARIES, Unit::Count, "Months that were summed up");
    describe_gauge!(PARKED, Unit::Count, "Parked events that wait for a decision; 10,000 may be more");
    describe_gauge!(LOG_BYTES, Unit::Bytes, "What the partition's stream stores");
    describe_gauge!(LOG_BYTES_MAX, Unit::Bytes, "What it may store, if it has a bound");
    describe_gauge!(CONNECTIONS, Unit::Count, "Connections to Postgres, by state");
    describe_gauge!(CONNECTIONS_MAX, Unit::Count, "Connections to Postgres that there may be");
    for name in [BATCH_EVENTS, BATCH_S, COMMIT_S] {
        let _ = histogram!(name);
    }
    counter!(SUMMARIES).increment(0);
}

/// A batch that was committed.
pub(crate) fn committed(Labels(labels): &Labels, batch: Committed) {
    counter!(EVENTS, labels).increment(batch.counted);
    counter!(PARKED_EVENTS, labels).increment(batch.parked);
    counter!(REPEATS, labels).increment(batch.repeats);
    counter!(FORGOTTEN, labels).increment(batch.forgotten);
    counter!(BATCHES, labels).increment(1);
    histogram!(BATCH_EVENTS).record(as_float(batch.events));
}

/// Events of a batch that are beyond their sites' caps, by kind.
pub(crate) fn capped(labels: Labels, by_kind: impl Iterator<Item = (String, u64)>) {
    let Labels([generation, partition]) = labels;
    for (kind, events) in by_kind {
        let labels = [generation.clone(), partition.clone(), ("kind", kind)];
        counter!(CAPPED, &labels).increment(events);
    }
}

/// Lets the counters of a partition begin at 0: one that appears with its first event seems not to have changed.
pub(crate) fn begun(Labels(labels): &Labels) {
    for name in [EVENTS, PARKED_EVENTS, REPEATS, FORGOTTEN, BATCHES] {
        counter!(name, labels).increment(0);
    }
}

/// Event ids were forgotten at a start, because more are stored than are remembered.
pub(crate) fn forgotten(Labels(labels): &Labels, ids: u64) {
    counter!(FORGOTTEN, labels).increment(ids);
}

/// Reading and folding a batch, whatever became of it.
pub(crate) fn folded(took: Duration) {
    histogram!(BATCH_S).record(took);
}

/// Committing one.
pub(crate) fn commit(took: Duration) {
    histogram!(COMMIT_S).record(took);
}

/// Shows how a partition is.
pub(crate) fn condition(Labels(labels): &Labels, condition: Condition) {
    let Condition { is_owned, is_halted, lag_envelopes, lag_events, lag, stalled_for } = condition;
    gauge!(OWNED, labels).set(u8::from(is_owned));
    gauge!(HALTED, labels).set(u8::from(is_halted));
    if is_owned {
        gauge!(LAG_ENVELOPES, labels).set(as_float(lag_envelopes));
        gauge!(LAG_EVENTS, labels).set(as_float(lag_events));
        gauge!(LAG_S, labels).set(lag);
        gauge!(STALLED_S, labels).set(stalled_for);
    }
}

/// Shows whether reports come from a generation.
pub(crate) fn generation(id: i32, is_active: bool) {
    gauge!(ACTIVE, "generation" => id.to_string()).set(u8::from(is_active));
}

/// A month was summed up.
pub(crate) fn summed_up() {
    counter!(SUMMARIES).increment(1);
}

/// Shows how many events of a partition wait for a decision.
pub(crate) fn parked(Labels(labels): &Labels, events: i64) {
    gauge!(PARKED, labels).set(as_float(events.unsigned_abs()));
}

/// Shows how much a stream stores, and how much it may.
pub(crate) fn log_bytes(partition: contract::Partition, bytes: u64, bytes_max: Option<u64>) {
    let labels = [("partition", partition.to_string())];
    gauge!(LOG_BYTES, &labels).set(as_float(bytes));
    if let Some(bytes_max) = bytes_max {
        gauge!(LOG_BYTES_MAX, &labels).set(as_float(bytes_max));
    }
}

/// Shows how many connections there are.
pub(crate) fn connections(pool: &PgPool) {
    let (all, idle) = (u64::from(pool.size()), pool.num_idle() as u64);
    gauge!(CONNECTIONS, "state" => "idle").set(as_float(idle));
    gauge!(CONNECTIONS, "state" => "busy").set(as_float(all.saturating_sub(idle)));
    gauge!(CONNECTIONS_MAX).set(pool.options().get_max_connections());
}
