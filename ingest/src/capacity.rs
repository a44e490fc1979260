//! How much the log's servers store, and how much they may. Where nothing fits any more, every event is refused: somebody
//! wants to know before that.

use std::time::Duration;

use service::Address;

use crate::instruments;
use crate::servers::{self, JetStreamReport};

/// Between two looks. A disk does not fill within seconds.
const LOOK_PAUSE: Duration = Duration::from_secs(5);

/// Looks for as long as the process runs. What is not known is not shown.
///
/// # Errors
///
/// There can be no HTTP client.
pub(crate) async fn watch(monitor_urls: Vec<Address>) -> anyhow::Result<()> {
    let client = servers::client()?;
    loop {
        for url in &monitor_urls {
            match servers::ask(&client, url).await {
                Ok(report) => {
                    let JetStreamReport { config, stats } = report.jetstream;
                    let server = url.place().unwrap_or_else(|| "unknown".to_owned());
                    instruments::log_store(&server, stats.storage, u64::try_from(config.max_storage).unwrap_or(0));
                }
                Err(err) => tracing::debug!(error = format!("{err:#}"), "Cannot tell how full the log's server is"),
            }
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}
