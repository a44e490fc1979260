//! Watchdog of the log: checks that it keeps the promises of a 2xx after each connection, at each doubt, and every few
//! seconds, and publishes the [`Status`].

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream;
use service::Address;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use super::account_limit::AccountLimit;
use super::clocks::Clocks;
use super::connection_events::ConnectionEpoch;
use super::findings::{Cause, Findings};
use super::status::{CheckError, Problem, ProblemKind, Status};
use super::streams::Declaration;

mod check;

use check::Check;

/// Interval between checks while the log is trusted. A check is one request to each server, one more to the server that
/// ingest is connected to, and one question about each stream. For this long an event may be acknowledged by a log that
/// has just been changed.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Minimum interval between checks. While a partition's stream has no leader, its envelopes cause doubt several times a
/// second.
const CHECK_PAUSE_MIN: Duration = Duration::from_millis(500);

/// Checks the log and publishes its status.
pub(crate) struct Watchdog {
    pub(super) jetstream: jetstream::Context,
    pub(super) monitor_urls: Vec<Address>,
    pub(super) partitions: u16,
    pub(super) declaration: Declaration,
    pub(super) connection: watch::Receiver<ConnectionEpoch>,
    pub(super) doubts: Arc<Notify>,
    pub(super) clocks: Arc<Clocks>,
    pub(super) account_limit: Arc<AccountLimit>,
    pub(super) status: watch::Sender<Status>,
}

impl Watchdog {
    /// Runs for as long as the process.
    ///
    /// # Errors
    ///
    /// A promise is broken before the log was trusted for the first time: it is configured wrongly. Later a broken promise
    /// only stops the acceptance of events, because a 503 serves clients better than a process that has ended.
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        let mut was_trusted = false;
        let mut findings = Findings::nothing(self.partitions);
        let mut cause = Cause::Doubt;
        loop {
            let connection = self.connected().await?;
            if findings.connection != connection {
                cause = Cause::Doubt;
                findings.connected(connection);
            }
            let begun = Instant::now();
            let Some(checked) = self.check(&mut findings, was_trusted).await? else {
                self.publish_disconnected();
                continue;
            };
            let is_complete = checked.is_ok() && findings.streams.silent.is_empty();
            was_trusted |= is_complete;
            match checked {
                Ok(()) if was_trusted => {
                    findings.kept = Some(begun);
                    self.publish(Status::Trusted(findings.streams.clone()));
                }
                // A process that starts fails at once over a stream that it cannot use, and is ready only after all answered.
                Ok(()) => {
                    self.publish(Status::Unknown(findings.streams.problem().cloned().expect("a stream is silent")));
                }
                Err(CheckError::Broken(problem)) if !was_trusted => anyhow::bail!(problem.detail),
                Err(CheckError::Broken(problem)) => self.publish(Status::Refused(problem)),
                Err(CheckError::Clocks(problem)) => {
                    self.clocks.differ();
                    self.publish(Status::Refused(problem));
                }
                Err(CheckError::Unknown(_)) if findings.may_be_silent(cause) => {}
                Err(CheckError::Unknown(problem) | CheckError::Unwell(problem)) => {
                    self.publish(Status::Unknown(problem));
                }
            }
            cause = self.pause(begun, if is_complete { CHECK_INTERVAL } else { CHECK_PAUSE_MIN }).await?;
        }
    }

    /// Checks the log once. `None` if the connection changed meanwhile, because the answers may be another server's.
    async fn check(
        &self,
        findings: &mut Findings,
        was_trusted: bool,
    ) -> anyhow::Result<Option<Result<(), CheckError>>> {
        let mut connection = self.connection.clone();
        let checked = tokio::select! {
            biased;
            change = connection.changed() => return change.context("the connection is gone").map(|()| None),
            checked = Check::new(self, findings, was_trusted).run() => checked,
        };
        match &checked {
            Ok(()) => findings.is_broken = false,
            Err(CheckError::Broken(_) | CheckError::Clocks(_)) => findings.is_broken = true,
            Err(CheckError::Unknown(_) | CheckError::Unwell(_)) => {}
        }
        Ok(Some(checked))
    }

    /// Waits for an open connection, and returns its epoch.
    async fn connected(&mut self) -> anyhow::Result<ConnectionEpoch> {
        if self.connection.borrow_and_update().is_multiple_of(2) {
            self.publish(Status::Unknown(Problem::not_connected()));
        }
        let connection = self.connection.wait_for(|epoch| epoch % 2 == 1).await.context("the connection is gone")?;
        Ok(*connection)
    }

    /// Waits until the next check is due, an envelope got no answer, or the connection has changed.
    async fn pause(&mut self, begun: Instant, rest: Duration) -> anyhow::Result<Cause> {
        let doubted = async {
            self.doubts.notified().await;
            sleep_until(begun + CHECK_PAUSE_MIN).await;
        };
        tokio::select! {
            biased;
            changed = self.connection.changed() => {
                changed.context("the connection is gone")?;
                self.publish_disconnected();
                Ok(Cause::Doubt)
            }
            () = doubted => Ok(Cause::Doubt),
            () = sleep_until(begun + rest) => Ok(Cause::Interval),
        }
    }

    fn publish_disconnected(&self) {
        let detail = "the connection to the log broke".to_owned();
        self.publish(Status::Unknown(Problem { kind: ProblemKind::NotConnected, detail }));
    }

    /// Publishes a status, and logs it if it is new.
    fn publish(&self, status: Status) {
        self.status.send_if_modified(|last| {
            if *last == status {
                return false;
            }
            match &status {
                Status::Trusted(streams) if streams.silent.is_empty() => tracing::info!("The log keeps its promises"),
                Status::Trusted(streams) => {
                    let silent: Vec<String> = streams.silent.keys().map(|partition| partition.stream()).collect();
                    let reason = streams.problem().map(|problem| problem.detail.as_str());
                    tracing::warn!(streams = silent.join(", "), reason, "Some streams of the log do not answer");
                }
                Status::Unknown(problem) => tracing::warn!(reason = problem.detail, "Waiting for the log"),
                Status::Refused(problem) => {
                    tracing::error!(reason = problem.detail, "Accepting nothing: the log breaks a promise");
                }
            }
            *last = status;
            true
        });
    }
}
