//! Waits until a started process serves.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Process;

/// Lines of a log that are shown with a failure.
pub(crate) const TAIL_LINES: usize = 20;

/// Maximum time until a process serves. Recovery after a crash reads the log or the WAL first.
const LIMIT: Duration = Duration::from_mins(2);

/// Interval between checks of a starting process; each costs microseconds.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Timeout of one check.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Waits until `is_ready` returns true.
///
/// # Errors
///
/// The process has ended, or takes longer than two minutes; the message has the last lines of its log.
pub async fn wait_for(process: &Process, is_ready: impl AsyncFn() -> bool) -> Result<()> {
    let started = Instant::now();
    while !is_ready().await {
        if let Some(status) = process.exit_status() {
            bail!("{} ended at its start ({status}):\n{}", process.name(), process.log_tail(TAIL_LINES));
        }
        if started.elapsed() > LIMIT {
            bail!("{} was not ready within {LIMIT:?}:\n{}", process.name(), process.log_tail(TAIL_LINES));
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    Ok(())
}

/// Waits until `GET url` answers with success, `http://127.0.0.1:3000/readyz` for example.
///
/// # Errors
///
/// As [`wait_for`].
pub async fn wait_for_http(process: &Process, url: &str) -> Result<()> {
    let client = client()?;
    wait_for(process, async || answers(&client, url).await).await
}

/// An HTTP client for the loopback interface, which uses no proxy.
pub(crate) fn client() -> Result<reqwest::Client> {
    let client = reqwest::Client::builder().timeout(ANSWER_TIMEOUT).no_proxy();
    client.build().context("making an HTTP client")
}

/// Whether `GET url` answers with success.
pub(crate) async fn answers(client: &reqwest::Client, url: &str) -> bool {
    client.get(url).send().await.is_ok_and(|answer| answer.status().is_success())
}
