//! Whether the log's servers sync before they acknowledge. JetStream by default does so two minutes later, and a 2xx
//! would promise what a power cut can break. A server tells at its monitoring address.

use std::time::Duration;

use anyhow::Context;
use futures_util::future::join_all;
use serde::Deserialize;

use crate::log::Distrust;

const MONITOR_TIMEOUT: Duration = Duration::from_secs(2);

/// The part of `/jsz?config=true` that matters.
#[derive(Deserialize)]
pub(crate) struct JetStreamReport {
    server_id: String,
    /// Bytes that streams have on its disk.
    #[serde(default)]
    pub(crate) storage: u64,
    #[serde(default)]
    pub(crate) config: JetStreamConfig,
}

#[derive(Default, Deserialize)]
pub(crate) struct JetStreamConfig {
    #[serde(default)]
    sync_always: bool,
    /// Bytes that streams may have there; not above 0 where there is no bound.
    #[serde(default)]
    pub(crate) max_storage: i64,
}

/// Asks every server; one of them must be the one we are connected to: its address is the answer. Others may be away:
/// of several servers one may die, and one that is away stores nothing.
pub(crate) async fn verify<'a>(monitor_urls: &'a [String], connected_to: &str) -> Result<&'a str, Distrust> {
    let client = client().map_err(Distrust::Unknown)?;
    let (mut ours, mut silent) = (None, None);
    // At once: a machine that is gone answers nothing, and takes all of its time.
    let reports = join_all(monitor_urls.iter().map(async |url| (url, ask(&client, url).await))).await;
    for (url, report) in reports {
        let report = match report {
            Ok(report) => report,
            Err(err) => {
                silent.get_or_insert(err);
                continue;
            }
        };
        if !report.config.sync_always {
            return Err(Distrust::Broken(format!(
                "the log's server at {url} acknowledges events before they are on disk: set `sync_interval: always` \
                 in the jetstream block of its configuration (see nats/server.conf) and restart it"
            )));
        }
        if report.server_id == connected_to {
            ours = Some(url.as_str());
        }
    }
    // It may have restarted between the two questions, so this is no broken promise yet.
    let unknown = || anyhow::anyhow!("NATS_MONITOR_URLS names other servers than the one at NATS_URL");
    ours.ok_or_else(|| Distrust::Unknown(silent.unwrap_or_else(unknown)))
}

/// Who asks servers at their monitoring addresses.
pub(crate) fn client() -> anyhow::Result<reqwest::Client> {
    let client = reqwest::Client::builder().timeout(MONITOR_TIMEOUT).build();
    client.context("preparing to ask the log's server")
}

/// Asks one of them.
pub(crate) async fn ask(client: &reqwest::Client, url: &str) -> anyhow::Result<JetStreamReport> {
    let asked = format!("{}/jsz?config=true", url.trim_end_matches('/'));
    let answer = client.get(&asked).send().await.and_then(reqwest::Response::error_for_status);
    let answer = answer.with_context(|| format!("asking {asked} (NATS_MONITOR_URLS)"))?;
    answer.json().await.with_context(|| format!("reading the answer of {asked}"))
}
