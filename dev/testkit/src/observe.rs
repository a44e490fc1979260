//! Read models, the log, metrics, spans, processes and files, observed from outside.

/// Read models as text, to be compared.
pub mod snapshot;

/// Month summaries of the active generation.
pub mod summaries;

/// Messages and streams of the log.
pub mod log;

/// Metrics: those served, those documented, those used.
pub mod metrics;

/// Prometheus with the project's own rules, evaluated every second.
pub mod prometheus;

/// A collector of OpenTelemetry spans.
pub mod otlp_collector;

/// Memory, unread bytes and file limits of a process, as the kernel reports them.
pub mod kernel;

/// Searches of all files of all servers for what was erased.
pub mod remains;
