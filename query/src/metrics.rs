//! Metrics of query, by name. `docs/operations.md` says what each means to operators; a test compares the two.

use std::time::Duration;

use deadpool::managed::Status;
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use service::as_float;

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

/// Describes all metrics, and registers counters and histograms at 0, because the first increase of a series that appears with
/// it cannot be seen. The recorder must be installed.
pub(crate) fn describe() {
    describe_histogram!(REPORT_S, Unit::Seconds, "Time from the request of a report to its answer, by outcome");
    describe_gauge!(REPORTS, Unit::Count, "Reports in progress, read or waiting");
    describe_gauge!(REPORTS_MAX, Unit::Count, "Reports that may be in progress at once");
    describe_histogram!(AFTER_WAIT_S, Unit::Seconds, "Wait of reports for the event of `after`, by outcome");
    describe_counter!(
        REPORT_CONFLICTS,
        Unit::Count,
        "Reports that the recovery of a standby cancelled, and that were read once more"
    );
    describe_gauge!(LIVE_CLIENTS, Unit::Count, "Clients of GET /live");
    describe_gauge!(LIVE_CLIENTS_MAX, Unit::Count, "Clients that GET /live may have at once");
    describe_counter!(LIVE_PUSHES, Unit::Count, "Totals sent to clients of GET /live");
    describe_gauge!(CONNECTIONS, Unit::Count, "Connections to Postgres, by state");
    describe_gauge!(CONNECTIONS_MAX, Unit::Count, "Connections to Postgres that may be open at once");
    describe_histogram!(CONNECTION_WAIT_S, Unit::Seconds, "Wait of a report for a connection");
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
    pub(crate) connections: Status,
}

/// Sets the gauges, when metrics are scraped.
pub(crate) fn sample(gauges: &Gauges) {
    let Gauges { reports, reports_max, live_clients, live_clients_max, connections } = *gauges;
    let Status { available, size, max_size, .. } = connections;
    for (name, value) in [
        (REPORTS, reports),
        (REPORTS_MAX, reports_max),
        (LIVE_CLIENTS, live_clients),
        (LIVE_CLIENTS_MAX, live_clients_max),
        (CONNECTIONS_MAX, max_size),
    ] {
        gauge!(name).set(as_float(value as u64));
    }
    gauge!(CONNECTIONS, "state" => "idle").set(as_float(available as u64));
    gauge!(CONNECTIONS, "state" => "busy").set(as_float(size.saturating_sub(available) as u64));
}

/// Records the time of a report, with its outcome.
pub(crate) fn answered(outcome: &'static str, took: Duration) {
    histogram!(REPORT_S, "outcome" => outcome).record(took);
}

/// Records the wait of a report for an event, with its outcome.
pub(crate) fn waited(outcome: &'static str, took: Duration) {
    histogram!(AFTER_WAIT_S, "outcome" => outcome).record(took);
}

/// Counts a report that was cancelled by a conflict, and is read once more.
pub(crate) fn conflicted() {
    counter!(REPORT_CONFLICTS).increment(1);
}

/// Records the wait for a connection.
pub(crate) fn connected(waited: Duration) {
    histogram!(CONNECTION_WAIT_S).record(waited);
}

/// Counts totals that were sent to a client.
pub(crate) fn pushed() {
    counter!(LIVE_PUSHES).increment(1);
}
