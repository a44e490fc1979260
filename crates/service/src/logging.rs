//! Logs go to standard output: text for people, JSON for machines. `RUST_LOG` filters them.

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// How a log line is written. Variable `LOG_FORMAT`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging of a command that answers on standard output: warnings only, unless asked for more, on standard error.
pub fn init_for_command() {
    let log = tracing_subscriber::fmt().with_env_filter(filter("warn")).log_internal_errors(false);
    let _ = log.with_ansi(false).with_writer(std::io::stderr).try_init();
}

/// Starts logging. Where it has been started before, as in tests, this does nothing.
pub fn init(format: LogFormat) {
    // A line that cannot be written, on a full disk say, is lost. Telling of that would go the same way, and panic.
    let log = tracing_subscriber::fmt().with_env_filter(filter("info")).log_internal_errors(false);
    let _ = match format {
        LogFormat::Text => log.with_ansi(false).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
}

fn filter(default: &str) -> EnvFilter {
    // Empty is as good as absent; taken at its word it would silence all but errors.
    let filter = std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty());
    let filter = filter.and_then(|filter| EnvFilter::try_new(filter).ok()).unwrap_or_else(|| EnvFilter::new(default));
    // It would print values of parameters that it does not know, and some of them are passwords.
    filter.add_directive("sqlx_postgres::options::parse=off".parse().expect("a directive"))
}
