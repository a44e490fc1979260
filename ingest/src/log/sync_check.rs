//! Checks that the log's servers sync before they acknowledge. JetStream by default syncs two minutes later, and a 2xx
//! would promise what a power cut can break.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_nats::jetstream::stream::ClusterInfo;
use service::Address;
use tokio::time::Instant;

use super::monitor::{Answer, ServerReport};
use super::status::{CheckError, Problem, ProblemKind};

/// Time for which a server or stream stays trusted after its last answer: it may be busy, or have died a moment ago.
pub(super) const ANSWER_AGE_MAX: Duration = Duration::from_secs(30);

/// Silence after which a peer counts as away and stores nothing. Leaders send heartbeats each second, and nats-servers
/// give a peer up after the same time.
const AWAY_MIN: Duration = Duration::from_secs(10);

/// Maximum time from the first answer of a check to its last question about a stream. Where none of a thousand streams
/// answers, each takes a second, sixteen at once; then answers count as old, which is safe.
const CHECK_TIME_MAX: Duration = Duration::from_secs(4);

/// The servers, and when each has last confirmed that it syncs.
#[derive(Debug, Default)]
pub(super) struct Servers {
    answered: BTreeMap<String, Instant>,
    /// Servers that a stream has seen away since they answered.
    away: BTreeMap<String, Away>,
}

/// Absence of a server; it has to be asked again once it is back. Streams notice an absence at different times: a newly
/// elected leader at once, others after `AWAY_MIN`.
#[derive(Debug)]
struct Away {
    /// Moment at which a stream noticed the absence first.
    since: Instant,
    /// Streams that have noticed it.
    streams: BTreeSet<String>,
}

impl Servers {
    /// Records a server's answer.
    pub(super) fn record(&mut self, url: &Address, Answer { report, reading }: &Answer) -> Result<(), CheckError> {
        let name = &report.server_name;
        self.answered.remove(name);
        verify(url, report)?;
        if let Some(detail) = reading.difference(name) {
            return Err(CheckError::Clocks(Problem { kind: ProblemKind::ClocksDiffer, detail }));
        }
        self.answered.insert(name.clone(), Instant::now());
        self.away.remove(name);
        Ok(())
    }

    /// Checks that all servers that store a stream have confirmed lately that they sync. A server that is away stores
    /// nothing, and has to be asked again once it is back.
    pub(super) fn vouch(&mut self, stream: &str, cluster: Option<&ClusterInfo>) -> Result<(), Problem> {
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

    /// Checks one server. `silence` is the time for which the stream's leader has heard nothing of it.
    fn vouch_for(&self, stream: &str, server: &str, silence: Duration) -> Result<(), Problem> {
        let is_back =
            self.away.get(server).is_some_and(|away| away.streams.contains(stream) || silence < away.since.elapsed());
        if self.is_fresh(server, ANSWER_AGE_MAX) && !is_back {
            return Ok(());
        }
        let detail = format!(
            "server {server} stores stream {stream}, and has not confirmed that it syncs before it acknowledges: \
             NATS_MONITOR_URLS must have the monitoring address of each of the log's servers, and ingest must reach it"
        );
        Err(Problem { kind: ProblemKind::PeerUnknown, detail })
    }

    /// Whether a server has answered during the last check, or `age` before it.
    fn is_fresh(&self, server: &str, age: Duration) -> bool {
        self.answered.get(server).is_some_and(|answered| answered.elapsed() <= age + CHECK_TIME_MAX)
    }
}

fn verify(url: &Address, report: &ServerReport) -> Result<(), CheckError> {
    if report.jetstream.config.sync_always {
        return Ok(());
    }
    Err(CheckError::broken(
        ProblemKind::NotSynced,
        format!(
            "the log's server {} at {url} acknowledges events before they are on disk: set `sync_interval: always` in \
             the jetstream block of its configuration (see nats/server.conf) and restart it",
            report.server_name
        ),
    ))
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
            assert!(
                lack.detail.contains("stores stream EVENTS_0") && lack.kind == ProblemKind::PeerUnknown,
                "{lack:?}"
            );
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
