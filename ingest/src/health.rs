//! Whether the log's server can store anything at all. One that once found its disk full refuses to write to the
//! stream until it is restarted, and tells nobody who publishes: their envelopes stay without an answer.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Deserialize;

const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);

/// `/healthz` of a server that is not well.
#[derive(Deserialize)]
struct Complaint {
    error: String,
}

/// Asks the server at this monitoring address how it is.
///
/// # Errors
///
/// It is not well, and says why; or it does not say anything.
pub(crate) async fn verify(monitor_url: &str) -> anyhow::Result<()> {
    let client =
        reqwest::Client::builder().timeout(HEALTH_TIMEOUT).build().context("preparing to ask the log's server")?;
    let asked = format!("{}/healthz", monitor_url.trim_end_matches('/'));
    let answer = client.get(&asked).send().await.with_context(|| format!("asking {asked} (NATS_MONITOR_URLS)"))?;
    if answer.status().is_success() {
        return Ok(());
    }
    let complaint: Complaint = answer.json().await.with_context(|| format!("reading the answer of {asked}"))?;
    ensure!(
        !complaint.error.contains("write error"),
        "the log's server cannot write: {}. Make room on its disk and restart it",
        complaint.error
    );
    anyhow::bail!("the log's server is not well: {}", complaint.error)
}
