//! How much the log's servers store, and how much they may. Where nothing fits any more, every event is refused: somebody
//! wants to know before that.

use std::time::Duration;

use reqwest::Url;

use crate::durability::{self, JetStreamReport};
use crate::instruments;

/// Between two looks. A disk does not fill within seconds.
const LOOK_PAUSE: Duration = Duration::from_secs(5);

/// Looks for as long as the process runs. What is not known is not shown.
///
/// # Errors
///
/// There can be no HTTP client.
pub(crate) async fn watch(monitor_urls: Vec<String>) -> anyhow::Result<()> {
    let client = durability::client()?;
    loop {
        for url in &monitor_urls {
            match durability::ask(&client, url).await {
                Ok(JetStreamReport { storage, config, .. }) => {
                    instruments::log_store(&server(url), storage, u64::try_from(config.max_storage).unwrap_or(0));
                }
                Err(err) => tracing::debug!(error = format!("{err:#}"), "Cannot tell how full the log's server is"),
            }
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

/// Host and port: an address may have a password.
fn server(url: &str) -> String {
    let parsed = Url::parse(url).ok();
    let place = parsed.as_ref().and_then(|url| Some((url.host_str()?, url.port_or_known_default()?)));
    place.map_or_else(|| "unknown".to_owned(), |(host, port)| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_without_its_password() {
        assert_eq!(server("http://somebody:secret@nats:8222/"), "nats:8222");
        assert_eq!(server("http://127.0.0.1"), "127.0.0.1:80");
        assert_eq!(server("nonsense"), "unknown");
    }
}
