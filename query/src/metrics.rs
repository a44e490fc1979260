//! What query measures, by name. `docs/operations.md` tells operators what each means; a test compares the two.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

const REPORT_S: &str = "query_report_duration_seconds";
const REPORTS: &str = "query_reports";
const REPORTS_MAX: &str = "query_reports_max";
const AFTER_WAIT_S: &str = "query_after_wait_seconds";
const REPORT_CONFLICTS: &str = "query_report_conflicts_total";
const LIVE_CLIENTS: &str = "query_live_clients";
const LIVE_CLIENTS_MAX: &str = "query_live_clients_max";
const LIVE_PUSHES: &str = "query_live_pushes_total";
const CONNECTIONS: &str = "query_pool_connections";
const CONNECTIONS_MAX: &str = "query_pool_connections_max";
const CONNECTION_WAIT_S: &str = "query_pool_wait_seconds";

/// Describes all of it, and lets what is counted begin at 0: what appears with its first event seems not to have changed.
/// The recorder must be installed.
pub(crate) fn describe() {
    describe_histogram!(REPORT_S, Unit::Seconds, "From a report's request to its answer, by outcome");
    describe_gauge!(REPORTS, Unit::Count, "Reports that are read, or wait");
    describe_gauge!(REPORTS_MAX, Unit::Count, "How many there may be");
    describe_histogram!(AFTER_WAIT_S, Unit::Seconds, "Of reports that waited for an event, how long, by outcome");
    describe_counter!(
        REPORT_CONFLICTS,
        Unit::Count,
        "Reports that recovery of a standby ended, and that were read again"
    );
    describe_gauge!(LIVE_CLIENTS, Unit::Count, "Clients that watch totals");
    describe_gauge!(LIVE_CLIENTS_MAX, Unit::Count, "How many may watch");
    describe_counter!(LIVE_PUSHES, Unit::Count, "Totals that were sent to clients");
    describe_gauge!(CONNECTIONS, Unit::Count, "Connections to Postgres, by state");
    describe_gauge!(CONNECTIONS_MAX, Unit::Count, "Connections to Postgres that there may be");
    describe_histogram!(CONNECTION_WAIT_S, Unit::Seconds, "How long a report waited for a connection");
    counter!(LIVE_PUSHES).increment(0);
    counter!(REPORT_CONFLICTS).increment(0);
    for outcome in ["answered", "unchanged", "refused", "unavailable"] {
        let _ = histogram!(REPORT_S, "outcome" => outcome);
    }
    for outcome in ["arrived", "missed"] {
        let _ = histogram!(AFTER_WAIT_S, "outcome" => outcome);
    }
    let _ = histogram!(CONNECTION_WAIT_S);
}

/// Values of the gauges at one moment.
pub(crate) struct Gauges {
    pub(crate) reports: usize,
    pub(crate) reports_max: usize,
    pub(crate) live_clients: usize,
    pub(crate) live_clients_max: usize,
    pub(crate) connections: deadpool::managed::Status,
}

/// Sets the gauges, when metrics are scraped.
pub(crate) fn sample(gauges: &Gauges) {
    let connections = gauges.connections;
    gauge!(REPORTS).set(as_float(gauges.reports));
    gauge!(REPORTS_MAX).set(as_float(gauges.reports_max));
    gauge!(LIVE_CLIENTS).set(as_float(gauges.live_clients));
    gauge!(LIVE_CLIENTS_MAX).set(as_float(gauges.live_clients_max));
    gauge!(CONNECTIONS, "state" => "idle").set(as_float(connections.available));
    gauge!(CONNECTIONS, "state" => "busy").set(as_float(connections.size.saturating_sub(connections.available)));
    gauge!(CONNECTIONS_MAX).set(as_float(connections.max_size));
}

/// A report that was asked for, whatever the answer.
pub(crate) fn answered(outcome: &'static str, took: Duration) {
    histogram!(REPORT_S, "outcome" => outcome).record(took);
}

/// A report that waited for an event.
pub(crate) fn waited(outcome: &'static str, took: Duration) {
    histogram!(AFTER_WAIT_S, "outcome" => outcome).record(took);
}

/// A report that was ended for the sake of others, and is read once more.
pub(crate) fn conflicted() {
    counter!(REPORT_CONFLICTS).increment(1);
}

/// A connection that was waited for.
pub(crate) fn connected(waited: Duration) {
    histogram!(CONNECTION_WAIT_S).record(waited);
}

/// Totals that were given to a client's connection.
pub(crate) fn pushed() {
    counter!(LIVE_PUSHES).increment(1);
}

#[expect(clippy::cast_precision_loss, reason = "a metric is a float")]
fn as_float(number: usize) -> f64 {
    number as f64
}
