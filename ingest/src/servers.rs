//! What the log's servers tell at their monitoring addresses: whether they sync before they acknowledge, and what time
//! they have. JetStream by default syncs two minutes later, and a 2xx would promise what a power cut can break.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Context;
use async_nats::jetstream::stream::ClusterInfo;
use chrono::{DateTime, Utc};
use futures_util::stream::FuturesUnordered;
use serde::Deserialize;
use service::Address;
use tokio::time::Instant;

use crate::clock::Moment;
use crate::clocks::Reading;
use crate::trust::{Class, Distrust, Lack};

const MONITOR_TIMEOUT: Duration = Duration::from_secs(2);

/// A server that does not answer stays trusted for so long after its last answer: it may be busy, or have died a moment
/// ago.
pub(crate) const ANSWER_AGE_MAX: Duration = Duration::from_secs(30);

/// A peer that its leader has not heard of for so long is away, and stores nothing. Leaders send heartbeats each second,
/// and nats-servers give a peer up after this time, too.
const AWAY_MIN: Duration = Duration::from_secs(10);

/// The part of `/varz` that matters.
#[derive(Deserialize)]
pub(crate) struct ServerReport {
    pub(crate) server_id: String,
    server_name: String,
    now: DateTime<Utc>,
    /// Bytes of a message, headers included.
    pub(crate) max_payload: usize,
    #[serde(default)]
    pub(crate) jetstream: JetStreamReport,
}

#[derive(Default, Deserialize)]
pub(crate) struct JetStreamReport {
    #[serde(default)]
    pub(crate) config: JetStreamConfig,
    #[serde(default)]
    pub(crate) stats: JetStreamStats,
}

#[derive(Default, Deserialize)]
pub(crate) struct JetStreamConfig {
    #[serde(default)]
    sync_always: bool,
    /// Bytes that streams may have there; not above 0 where there is no bound.
    #[serde(default)]
    pub(crate) max_storage: i64,
}

#[derive(Default, Deserialize)]
pub(crate) struct JetStreamStats {
    /// Bytes that streams have on its disk.
    #[serde(default)]
    pub(crate) storage: u64,
}

/// One server's answer.
pub(crate) struct Answer {
    pub(crate) report: ServerReport,
    pub(crate) reading: Reading,
}

/// The servers, and when each told last that it syncs.
#[derive(Debug, Default)]
pub(crate) struct Servers {
    answered: BTreeMap<String, Instant>,
    /// Those that some stream has seen away since they answered.
    away: BTreeMap<String, Away>,
}

/// A server that was seen away has to be asked when it is back. Streams notice at different times that it is away: a
/// leader that was just elected at once, others after `AWAY_MIN`.
#[derive(Debug)]
struct Away {
    /// When it was seen away first.
    since: Instant,
    /// Which streams saw it away.
    streams: BTreeSet<String>,
}

impl Servers {
    /// A server has told what it is like.
    pub(crate) fn note(&mut self, url: &Address, Answer { report, reading }: &Answer) -> Result<(), Distrust> {
        let name = &report.server_name;
        self.answered.remove(name);
        verify(url, report)?;
        if let Some(detail) = reading.difference(name) {
            return Err(Distrust::Clocks(Lack { class: Class::ClocksDiffer, detail }));
        }
        self.answered.insert(name.clone(), Instant::now());
        self.away.remove(name);
        Ok(())
    }

    /// Whether all servers that store a stream have told lately that they sync. One that is away stores nothing; when it
    /// is back it has to be asked first.
    pub(crate) fn vouch(&mut self, stream: &str, cluster: Option<&ClusterInfo>) -> Result<(), Lack> {
        let Some(cluster) = cluster else { return Ok(()) };
        for peer in &cluster.replicas {
            let is_unseen = peer.active.is_zero() && !peer.current;
            if (peer.offline || is_unseen || peer.active > AWAY_MIN) && !self.is_fresh(&peer.name, Duration::ZERO) {
                let seen = || Away { since: Instant::now(), streams: BTreeSet::new() };
                self.away.entry(peer.name.clone()).or_insert_with(seen).streams.insert(stream.to_owned());
                continue;
            }
            self.vouch_for(stream, &peer.name, peer.active)?;
        }
        cluster.leader.as_ref().map_or(Ok(()), |leader| self.vouch_for(stream, leader, Duration::ZERO))
    }

    /// `silence` is for how long the stream has heard nothing of the server.
    fn vouch_for(&self, stream: &str, server: &str, silence: Duration) -> Result<(), Lack> {
        let is_back =
            self.away.get(server).is_some_and(|away| away.streams.contains(stream) || silence < away.since.elapsed());
        if self.is_fresh(server, ANSWER_AGE_MAX) && !is_back {
            return Ok(());
        }
        let detail = format!(
            "server {server} stores stream {stream}, and has not told whether it syncs before it acknowledges: \
             NATS_MONITOR_URLS must have the monitoring address of each of the log's servers, and ingest must reach it"
        );
        Err(Lack { class: Class::PeerUnknown, detail })
    }

    /// Whether a server has answered within the last look, or `age` before it.
    fn is_fresh(&self, server: &str, age: Duration) -> bool {
        self.answered.get(server).is_some_and(|answered| answered.elapsed() <= age + LOOK_TIME_MAX)
    }
}

/// From the first answer of a look to the last question about a stream. Of a thousand streams that answer nothing, each
/// takes a second, sixteen at once; then answers count as old, which is safe.
const LOOK_TIME_MAX: Duration = Duration::from_secs(4);

fn verify(url: &Address, report: &ServerReport) -> Result<(), Distrust> {
    if report.jetstream.config.sync_always {
        return Ok(());
    }
    Err(Distrust::broken(
        Class::NotSynced,
        format!(
            "the log's server {} at {url} acknowledges events before they are on disk: set `sync_interval: always` in \
             the jetstream block of its configuration (see nats/server.conf) and restart it",
            report.server_name
        ),
    ))
}

/// Who asks servers at their monitoring addresses.
pub(crate) fn client() -> anyhow::Result<reqwest::Client> {
    let client = reqwest::Client::builder().timeout(MONITOR_TIMEOUT).build();
    client.context("preparing to ask the log's server")
}

/// Asks one of them.
pub(crate) async fn ask(client: &reqwest::Client, url: &Address) -> anyhow::Result<ServerReport> {
    let asked = format!("{}/varz", url.with_credentials().trim_end_matches('/'));
    let answer = client.get(asked).send().await.and_then(reqwest::Response::error_for_status);
    // Errors of the client would print the whole address.
    let answer = answer.map_err(reqwest::Error::without_url);
    let answer = answer.with_context(|| format!("asking {url} for /varz (NATS_MONITOR_URLS)"))?;
    let report = answer.json().await.map_err(reqwest::Error::without_url);
    report.with_context(|| format!("reading what {url} says at /varz"))
}

/// Asks all of them, at once. A machine that is gone answers nothing, and takes all of its time.
pub(crate) fn ask_each<'a>(
    client: &'a reqwest::Client,
    urls: &'a [Address],
) -> FuturesUnordered<impl Future<Output = (&'a Address, anyhow::Result<Answer>)>> {
    urls.iter().map(async |url| (url, ask_with_time(client, url).await)).collect()
}

async fn ask_with_time(client: &reqwest::Client, url: &Address) -> anyhow::Result<Answer> {
    let asked = Moment::now();
    let report = ask(client, url).await?;
    let reading = Reading { asked, answered: Moment::now(), server: report.now };
    Ok(Answer { report, reading })
}

#[cfg(test)]
mod tests {
    use async_nats::jetstream::stream::PeerInfo;

    use super::*;

    fn peer(name: &str, active_s: u64) -> PeerInfo {
        let active = Duration::from_secs(active_s);
        PeerInfo { name: name.to_owned(), current: active_s < 5, active, offline: false, lag: None }
    }

    fn cluster(replicas: Vec<PeerInfo>) -> ClusterInfo {
        let info = serde_json::json!({ "name": "tidemark", "leader": "a" });
        ClusterInfo { replicas, ..serde_json::from_value(info).expect("what is known of a cluster") }
    }

    fn servers(names: &[&str], age: Duration) -> Servers {
        let then = Instant::now().checked_sub(age).expect("the machine runs for longer");
        Servers { answered: names.iter().map(|name| ((*name).to_owned(), then)).collect(), away: BTreeMap::new() }
    }

    #[test]
    fn every_server_with_a_copy_has_to_be_asked() {
        let replicas = cluster(vec![peer("b", 1), peer("c", 1)]);
        assert_eq!(servers(&["a", "b", "c"], Duration::ZERO).vouch("EVENTS_0", Some(&replicas)), Ok(()));
        for known in [["a", "b"], ["b", "c"], ["a", "c"]] {
            let lack = servers(&known, Duration::ZERO).vouch("EVENTS_0", Some(&replicas)).expect_err("one is missing");
            assert!(lack.detail.contains("stores stream EVENTS_0") && lack.class == Class::PeerUnknown, "{lack:?}");
        }
        assert_eq!(Servers::default().vouch("EVENTS_0", None), Ok(()));
    }

    #[test]
    fn an_answer_that_is_too_old_counts_for_nothing() {
        let replicas = cluster(vec![peer("b", 1)]);
        assert!(servers(&["a", "b"], Duration::from_secs(29)).vouch("EVENTS_0", Some(&replicas)).is_ok());
        assert!(servers(&["a", "b"], Duration::from_secs(35)).vouch("EVENTS_0", Some(&replicas)).is_err());
    }

    #[test]
    fn a_server_that_is_away_need_not_answer_and_is_asked_when_it_is_back() {
        let mut known = servers(&["a"], Duration::ZERO);
        known.answered.extend(servers(&["b"], Duration::from_secs(12)).answered);
        let away = cluster(vec![peer("b", 11)]);
        assert_eq!(known.vouch("EVENTS_0", Some(&away)), Ok(()));
        let back = cluster(vec![peer("b", 1)]);
        assert!(known.vouch("EVENTS_0", Some(&back)).is_err(), "what it said before it was away");
        let never_seen = cluster(vec![peer("c", 0)]);
        let never_seen = ClusterInfo {
            replicas: never_seen.replicas.into_iter().map(|peer| PeerInfo { current: false, ..peer }).collect(),
            ..never_seen
        };
        assert_eq!(known.vouch("EVENTS_0", Some(&never_seen)), Ok(()));
    }
    #[test]
    fn a_server_that_one_leader_has_never_seen_stops_no_other_stream() {
        let mut known = servers(&["a"], Duration::ZERO);
        known.answered.extend(servers(&["b"], Duration::from_secs(8)).answered);
        let elected = cluster(vec![PeerInfo { current: false, ..peer("b", 0) }]);
        let older = cluster(vec![peer("b", 7)]);
        assert_eq!(known.vouch("EVENTS_0", Some(&elected)), Ok(()));
        assert_eq!(known.vouch("EVENTS_1", Some(&older)), Ok(()), "it has heard nothing of it since, either");
        let away = known.away.get_mut("b").expect("it was seen away");
        away.since = away.since.checked_sub(Duration::from_secs(3)).expect("the machine runs for longer");
        let back = cluster(vec![peer("b", 1)]);
        assert_eq!(known.vouch("EVENTS_1", Some(&older)), Ok(()));
        assert!(known.vouch("EVENTS_1", Some(&back)).is_err(), "it was away in between");
        let leads = ClusterInfo { leader: Some("b".to_owned()), ..cluster(vec![]) };
        assert!(known.vouch("EVENTS_1", Some(&leads)).is_err(), "it leads again");
    }
}
