//! Log lines on standard output: text for people, or JSON for machines. `RUST_LOG` filters them.

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// Format of log lines. Variable `LOG_FORMAT`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text for people.
    #[default]
    Text,
    /// One JSON object for each line.
    Json,
}

/// Starts logging of a command that answers on standard output: on standard error, and by default only warnings.
pub fn init_for_command() {
    let log = tracing_subscriber::fmt().with_env_filter(filter("warn")).log_internal_errors(false);
    let _ = log.with_ansi(false).with_writer(std::io::stderr).try_init();
}

/// Starts logging. Does nothing if it was started before, as in tests.
pub fn init(format: LogFormat) {
    // A line that cannot be written, as on a full disk, is lost. An error about it could not be written either, and would panic.
    let log = tracing_subscriber::fmt().with_env_filter(filter("info")).log_internal_errors(false);
    let _ = match format {
        LogFormat::Text => log.with_ansi(false).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
}

fn filter(default: &str) -> EnvFilter {
    // An empty variable counts as absent; otherwise it would silence everything but errors.
    let filter = std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty());
    let filter = filter.and_then(|filter| EnvFilter::try_new(filter).ok()).unwrap_or_else(|| EnvFilter::new(default));
    // sqlx would print the values of parameters that it does not know, and some of them are passwords.
    filter.add_directive("sqlx_postgres::options::parse=off".parse().expect("a directive"))
}
