//! Whether the log keeps the promises that a 2xx makes: asked after each connection, at each doubt, and every few
//! seconds.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream;
use service::Address;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use crate::clocks::Clocks;
use crate::known::{Cause, Known};
use crate::log::Changes;
use crate::streams::Declaration;
use crate::trust::{Class, Distrust, Lack, Trust};

/// One look at the log.
mod look;

use look::Look;

/// From one look at the log to the next while it is trusted: one request to each server and one to the one that ingest is
/// connected to, and one question about each stream. For so long an event may be acknowledged by a log that has just been
/// changed.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// From one look at the log to the next at least. While a partition's stream has no leader, its committer doubts the
/// log several times a second.
const VERIFY_PAUSE: Duration = Duration::from_millis(500);

/// Asks whether the log keeps the promises that a 2xx makes.
pub(crate) struct Guard {
    pub(crate) jetstream: jetstream::Context,
    pub(crate) monitor_urls: Vec<Address>,
    pub(crate) partitions: u16,
    pub(crate) declaration: Declaration,
    pub(crate) changes: watch::Receiver<Changes>,
    pub(crate) doubts: Arc<Notify>,
    pub(crate) clocks: Arc<Clocks>,
    pub(crate) trust: watch::Sender<Trust>,
}

impl Guard {
    /// Runs for as long as the process.
    ///
    /// # Errors
    ///
    /// The log breaks a promise at the first look: it was set up wrongly. Later on that only stops the acceptance of
    /// events, because clients are better served by a 503 than by nobody.
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        let mut was_trusted = false;
        let mut known = Known::nothing(self.partitions);
        let mut cause = Cause::Doubt;
        loop {
            let connection = self.connected().await?;
            if known.connection != connection {
                cause = Cause::Doubt;
                known.connected(connection);
            }
            let begun = Instant::now();
            let Some(verified) = self.look(&mut known, was_trusted).await? else {
                self.settle_broken();
                continue;
            };
            let is_settled = verified.is_ok() && known.streams.silent.is_empty();
            was_trusted |= is_settled;
            match verified {
                Ok(()) if was_trusted => {
                    known.kept = Some(begun);
                    self.settle(Trust::Given(known.streams.clone()));
                }
                // Who starts tells at once of streams that cannot be used, and is not ready before it has seen all.
                Ok(()) => self.settle(Trust::Waiting(known.streams.lack().cloned().expect("a stream is silent"))),
                Err(Distrust::Broken(lack)) if !was_trusted => anyhow::bail!(lack.detail),
                Err(Distrust::Broken(lack)) => self.settle(Trust::Refused(lack)),
                Err(Distrust::Clocks(lack)) => {
                    self.clocks.differ();
                    self.settle(Trust::Refused(lack));
                }
                Err(Distrust::Unknown(_)) if known.may_be_silent(cause) => {}
                Err(Distrust::Unknown(lack) | Distrust::Unwell(lack)) => self.settle(Trust::Waiting(lack)),
            }
            cause = self.pause(begun, if is_settled { LOOK_INTERVAL } else { VERIFY_PAUSE }).await?;
        }
    }

    /// Looks at the log once, unless the connection changes meanwhile: of another server it would say nothing.
    async fn look(&self, known: &mut Known, was_trusted: bool) -> anyhow::Result<Option<Result<(), Distrust>>> {
        let mut changes = self.changes.clone();
        let verified = tokio::select! {
            biased;
            change = changes.changed() => return change.context("the connection is gone").map(|()| None),
            verified = Look::new(self, known, was_trusted).run() => verified,
        };
        match &verified {
            Ok(()) => known.is_broken = false,
            Err(Distrust::Broken(_) | Distrust::Clocks(_)) => known.is_broken = true,
            Err(Distrust::Unknown(_) | Distrust::Unwell(_)) => {}
        }
        Ok(Some(verified))
    }

    /// Waits for a connection, and tells which one it is.
    async fn connected(&mut self) -> anyhow::Result<Changes> {
        if self.changes.borrow_and_update().is_multiple_of(2) {
            let detail = "the log is not connected".to_owned();
            self.settle(Trust::Waiting(Lack { class: Class::NotConnected, detail }));
        }
        let connection = self.changes.wait_for(|changes| changes % 2 == 1).await.context("the connection is gone")?;
        Ok(*connection)
    }

    /// Rests until the next look is due, or an envelope got no answer, or the connection is another one.
    async fn pause(&mut self, begun: Instant, rest: Duration) -> anyhow::Result<Cause> {
        let doubted = async {
            self.doubts.notified().await;
            sleep_until(begun + VERIFY_PAUSE).await;
        };
        tokio::select! {
            biased;
            changed = self.changes.changed() => {
                changed.context("the connection is gone")?;
                self.settle_broken();
                Ok(Cause::Doubt)
            }
            () = doubted => Ok(Cause::Doubt),
            () = sleep_until(begun + rest) => Ok(Cause::Interval),
        }
    }

    fn settle_broken(&self) {
        let detail = "the connection to the log broke".to_owned();
        self.settle(Trust::Waiting(Lack { class: Class::NotConnected, detail }));
    }

    /// Tells those who wait, and logs what is new.
    fn settle(&self, trust: Trust) {
        self.trust.send_if_modified(|known| {
            if *known == trust {
                return false;
            }
            match &trust {
                Trust::Given(streams) if streams.silent.is_empty() => tracing::info!("The log keeps its promises"),
                Trust::Given(streams) => {
                    let silent: Vec<String> = streams.silent.keys().map(|partition| partition.stream()).collect();
                    let reason = streams.lack().map(|lack| lack.detail.as_str());
                    tracing::warn!(streams = silent.join(", "), reason, "Some streams of the log do not answer");
                }
                Trust::Waiting(lack) => tracing::warn!(reason = lack.detail, "Waiting for the log"),
                Trust::Refused(lack) => {
                    tracing::error!(reason = lack.detail, "Accepting nothing: the log breaks a promise");
                }
            }
            *known = trust;
            true
        });
    }
}
