//! How much the log's servers store, and how much they may. Where nothing fits any more, every event is refused: somebody
//! wants to know before that.

use std::time::Duration;

use service::Address;

use crate::instruments;
use crate::servers::{self, JetStreamReport};

/// Between two looks. A disk does not fill within seconds.
const LOOK_PAUSE: Duration = Duration::from_secs(5);

/// What servers are called in metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// Host and port, where only operators see them.
    Hosts,
    /// Their places in the list, from 1.
    Places,
}

/// Looks for as long as the process runs. What is not known is not shown.
///
/// # Errors
///
/// There can be no HTTP client.
pub(crate) async fn watch(monitor_urls: Vec<Address>, names: Names) -> anyhow::Result<()> {
    let client = servers::client()?;
    loop {
        for (place, url) in (1..).zip(&monitor_urls) {
            match servers::ask(&client, url).await {
                Ok(report) => {
                    let JetStreamReport { config, stats } = report.jetstream;
                    let host = url.place().filter(|_| names == Names::Hosts);
                    let server = host.unwrap_or_else(|| i32::to_string(&place));
                    instruments::log_store(&server, stats.storage, u64::try_from(config.max_storage).unwrap_or(0));
                }
                Err(err) => tracing::debug!(error = format!("{err:#}"), "Cannot tell how full the log's server is"),
            }
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}
