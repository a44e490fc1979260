//! What every process of Tidemark needs to run, and none of what it does: logs, metrics, health, connections,
//! access, shutdown. Knows neither events nor the log nor the database.

#![warn(missing_docs, clippy::missing_errors_doc)]

/// Configuration from the environment.
pub mod config;

/// Addresses of neighbours, printed without their credentials.
pub mod address;

/// What a process says of itself on the command line.
pub mod command;

/// Which version, of which commit.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (commit ", env!("TIDEMARK_COMMIT"), ")");

/// Logs as text or as JSON.
pub mod logging;

/// Spans for whoever traces.
pub mod traces;

/// When to stop.
pub mod shutdown;

/// HTTP connections with bounds.
pub mod server;

/// By which names a service may be asked.
pub mod hosts;

/// Lists as headers and variables write them.
pub mod list;

/// TLS of connections that come in.
pub mod tls;

/// What is in files now.
mod followed;

/// Bodies that nobody wants.
mod discard;

/// `/healthz`, `/readyz` and `/metrics`.
pub mod health;

/// Requests, counted and timed.
pub mod requests;

/// `/api-docs`.
pub mod documentation;

/// Names and values behind the question mark.
pub mod query_string;

/// Answers that say no.
pub mod refusal;

/// Who may ask for what, and how often.
pub mod access;

pub use address::Address;
pub use discard::discard;
pub use refusal::Refusal;
pub use traces::Span;
