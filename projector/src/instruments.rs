//! What the projector measures, by name. `docs/operations.md` tells operators what each means; a test compares the two.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use sqlx::PgPool;

use crate::checkpoint::Slice;
use crate::commit::Batch;
use crate::generation::GenerationId;
use crate::models::Capped;
use crate::progress::Lag;

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

/// How a partition is, for whoever has to look after it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Condition {
    pub(crate) is_owned: bool,
    pub(crate) is_halted: bool,
    pub(crate) lag: Lag,
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
    describe_gauge!(HALTED, Unit::Count, "1 where the partition stands still until somebody helps");
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
pub(crate) fn committed(slice: Slice, batch: &Batch) {
    let labels = labels(slice);
    counter!(EVENTS, &labels).increment(batch.deltas.events);
    counter!(PARKED_EVENTS, &labels).increment(batch.deltas.parked.len() as u64);
    counter!(REPEATS, &labels).increment(batch.deltas.repeats());
    counter!(FORGOTTEN, &labels).increment(batch.deltas.seen.forgotten);
    counter!(BATCHES, &labels).increment(1);
    histogram!(BATCH_EVENTS).record(as_float(batch.events()));
}

/// Events of a batch that are beyond their sites' caps.
pub(crate) fn capped(slice: Slice, capped: Capped) {
    let Capped { types, undated, paths_daily, paths_total, hosts_daily, hosts_total } = capped;
    let [generation, partition] = labels(slice);
    for (kind, events) in [
        ("types", types),
        ("far_months", undated),
        ("paths_daily", paths_daily),
        ("paths_total", paths_total),
        ("hosts_daily", hosts_daily),
        ("hosts_total", hosts_total),
    ] {
        let labels = [generation.clone(), partition.clone(), ("kind", kind.to_owned())];
        counter!(CAPPED, &labels).increment(events);
    }
}

/// Lets the counters of a partition begin at 0: one that appears with its first event seems not to have changed.
pub(crate) fn begun(slice: Slice) {
    let labels = labels(slice);
    for name in [EVENTS, PARKED_EVENTS, REPEATS, FORGOTTEN, BATCHES] {
        counter!(name, &labels).increment(0);
    }
    capped(slice, Capped::default());
}

/// Event ids were forgotten at a start, because more are stored than are remembered.
pub(crate) fn forgotten(slice: Slice, ids: u64) {
    counter!(FORGOTTEN, &labels(slice)).increment(ids);
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
pub(crate) fn condition(slice: Slice, condition: Condition) {
    let labels = labels(slice);
    let Condition { is_owned, is_halted, lag, stalled_for } = condition;
    gauge!(OWNED, &labels).set(u8::from(is_owned));
    gauge!(HALTED, &labels).set(u8::from(is_halted));
    if is_owned {
        gauge!(LAG_ENVELOPES, &labels).set(as_float(lag.envelopes));
        gauge!(LAG_EVENTS, &labels).set(as_float(lag.events));
        gauge!(LAG_S, &labels).set(lag.age);
        gauge!(STALLED_S, &labels).set(stalled_for);
    }
}

/// Shows whether reports come from a generation.
pub(crate) fn generation(id: GenerationId, is_active: bool) {
    gauge!(ACTIVE, "generation" => id.to_string()).set(u8::from(is_active));
}

/// A month was summed up.
pub(crate) fn summed_up() {
    counter!(SUMMARIES).increment(1);
}

/// Shows how many events of a partition wait for a decision.
pub(crate) fn parked(generation: GenerationId, partition_id: i32, events: i64) {
    let labels = [("generation", generation.to_string()), ("partition", partition_id.to_string())];
    gauge!(PARKED, &labels).set(as_float(events.unsigned_abs()));
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

fn labels(slice: Slice) -> [(&'static str, String); 2] {
    [("generation", slice.generation.to_string()), ("partition", slice.partition.to_string())]
}

#[expect(clippy::cast_precision_loss, reason = "a metric is a float")]
fn as_float(number: u64) -> f64 {
    number as f64
}
