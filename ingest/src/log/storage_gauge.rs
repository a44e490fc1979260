//! Measures how full the disks of the log's servers are, so that operators know before events are refused.

use std::time::Duration;

use service::Address;

use super::monitor::{self, JetStreamReport};
use crate::metrics;

/// Interval between two readings; a disk does not fill within seconds.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// Names of the servers in metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerNames {
    /// Host and port, where only operators see them.
    Hosts,
    /// Position in `NATS_MONITOR_URLS`, from 1.
    Positions,
}

/// Reads all servers for as long as the process runs. A server that does not answer has no value.
pub(crate) async fn watch(monitor_urls: Vec<Address>, names: ServerNames) -> anyhow::Result<()> {
    let client = monitor::client()?;
    loop {
        for (position, url) in (1..).zip(&monitor_urls) {
            match monitor::report(&client, url).await {
                Ok(report) => {
                    let JetStreamReport { config, stats } = report.jetstream;
                    let host = url.place().filter(|_| names == ServerNames::Hosts);
                    let server = host.unwrap_or_else(|| i32::to_string(&position));
                    metrics::log_store(&server, stats.storage, u64::try_from(config.max_storage).unwrap_or(0));
                }
                Err(err) => tracing::debug!(error = format!("{err:#}"), "Cannot tell how full the log's server is"),
            }
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
