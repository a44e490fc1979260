//! Client of the monitoring addresses of the log's servers: `/varz` and `/healthz`.

use std::time::Duration;

use anyhow::{Context, anyhow};
use chrono::{DateTime, Utc};
use futures_util::stream::FuturesUnordered;
use serde::Deserialize;
use service::Address;

use super::clocks::Reading;
use super::status::{Problem, ProblemKind};
use crate::clock::Moment;

/// Timeout of one question to a server. A machine that is gone takes all of it.
const MONITOR_TIMEOUT: Duration = Duration::from_secs(2);

/// The fields of `/varz` that matter.
#[derive(Deserialize)]
pub(super) struct ServerReport {
    pub(super) server_id: String,
    pub(super) server_name: String,
    now: DateTime<Utc>,
    /// Bytes of a message, headers included.
    pub(super) max_payload: usize,
    #[serde(default)]
    pub(super) jetstream: JetStreamReport,
}

#[derive(Default, Deserialize)]
pub(super) struct JetStreamReport {
    #[serde(default)]
    pub(super) config: JetStreamConfig,
    #[serde(default)]
    pub(super) stats: JetStreamStats,
}

#[derive(Default, Deserialize)]
pub(super) struct JetStreamConfig {
    #[serde(default)]
    pub(super) sync_always: bool,
    /// Bytes that streams may have on the server's disk; 0 or less where there is no bound.
    #[serde(default)]
    pub(super) max_storage: i64,
}

#[derive(Default, Deserialize)]
pub(super) struct JetStreamStats {
    /// Bytes that streams have on the server's disk.
    #[serde(default)]
    pub(super) storage: u64,
}

/// The error in `/healthz` of a server that is not well.
#[derive(Deserialize)]
struct HealthError {
    error: String,
}

/// One server's report, and a reading of its clock.
pub(super) struct Answer {
    pub(super) report: ServerReport,
    pub(super) reading: Reading,
}

/// Builds the HTTP client.
pub(super) fn client() -> anyhow::Result<reqwest::Client> {
    let client = reqwest::Client::builder().timeout(MONITOR_TIMEOUT).build();
    client.context("preparing to ask the log's server")
}

/// Asks one server for `/varz`.
pub(super) async fn report(client: &reqwest::Client, url: &Address) -> anyhow::Result<ServerReport> {
    let response = client.get(endpoint(url, "varz")).send().await.and_then(reqwest::Response::error_for_status);
    // Errors of the client would print the address with its credentials.
    let response = response.map_err(reqwest::Error::without_url);
    let response = response.with_context(|| format!("asking {url} for /varz (NATS_MONITOR_URLS)"))?;
    let report = response.json().await.map_err(reqwest::Error::without_url);
    report.with_context(|| format!("reading what {url} says at /varz"))
}

/// Asks all servers for `/varz` at the same time.
pub(super) fn report_each<'a>(
    client: &'a reqwest::Client,
    urls: &'a [Address],
) -> FuturesUnordered<impl Future<Output = (&'a Address, anyhow::Result<Answer>)>> {
    urls.iter().map(async |url| (url, report_with_time(client, url).await)).collect()
}

async fn report_with_time(client: &reqwest::Client, url: &Address) -> anyhow::Result<Answer> {
    let asked = Moment::now();
    let report = report(client, url).await?;
    let reading = Reading { asked, answered: Moment::now(), server: report.now };
    Ok(Answer { report, reading })
}

/// Asks a server for `/healthz`. A server that once found its disk full refuses to write to the stream until it is
/// restarted, and sends publishers no answer at all.
///
/// # Errors
///
/// The server is not well, or does not answer.
pub(super) async fn verify_health(client: &reqwest::Client, url: &Address) -> Result<(), Problem> {
    let silent = |err: reqwest::Error| {
        let err = anyhow!(err.without_url()).context(format!("asking {url} for /healthz (NATS_MONITOR_URLS)"));
        Problem { kind: ProblemKind::ServerSilent, detail: format!("{err:#}") }
    };
    let response = client.get(endpoint(url, "healthz")).send().await.map_err(silent)?;
    if response.status().is_success() {
        return Ok(());
    }
    let HealthError { error } = response.json().await.map_err(silent)?;
    if error.contains("write error") {
        let detail = format!("the log's server cannot write: {error}. Make room on its disk and restart it");
        return Err(Problem { kind: ProblemKind::CannotWrite, detail });
    }
    Err(Problem { kind: ProblemKind::ServerUnwell, detail: format!("the log's server is not well: {error}") })
}

fn endpoint(url: &Address, name: &str) -> String {
    format!("{}/{name}", url.with_credentials().trim_end_matches('/'))
}
