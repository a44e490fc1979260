//! What every process of Tidemark needs to run, and none of what it does: logs, metrics, health, connections,
//! access, shutdown. Knows neither events nor the log nor the database.

/// Configuration from the environment.
pub mod config;

/// Logs as text or as JSON.
pub mod logging;

/// When to stop.
pub mod shutdown;

/// HTTP/1.1 connections with bounds.
pub mod server;

/// `/healthz`, `/readyz` and `/metrics`.
pub mod health;

/// Answers that say no.
pub mod refusal;

/// Who may ask for what, and how often.
pub mod access;

pub use refusal::Refusal;
