//! Metrics, spans and files, observed from outside.

/// Metrics: those served, those documented, those used.
pub(crate) mod metrics;

/// Prometheus with the project's own rules, evaluated every second.
pub(crate) mod prometheus;

/// A collector of OpenTelemetry spans.
pub(crate) mod otlp_collector;

/// Searches of all files of all servers for what was erased.
pub(crate) mod remains;
