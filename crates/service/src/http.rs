//! Parts of an HTTP interface that all services share: errors, probes and metrics, descriptions, and what headers and
//! query strings say.

pub mod api_error;
pub(crate) mod client_ip;
mod drain;
pub mod header_list;
pub mod health;
pub mod hosts;
pub mod openapi;
pub(crate) mod places;
mod probe_limit;
pub mod query_string;
pub(crate) mod rate_limit;
pub mod request_metrics;

pub use api_error::{ApiError, ErrorBody};
pub use drain::drain;

/// Paths of the probes: the process is alive, and it can work.
pub(crate) const PROBE_PATHS: [&str; 2] = ["/healthz", "/readyz"];

/// Path of the metrics.
pub(crate) const METRICS_PATH: &str = "/metrics";
