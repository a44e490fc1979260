//! Whether the log keeps the promises that a 2xx makes: asked after each connection, at each doubt, and every few
//! seconds.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream;
use contract::Partition;
use contract::event::EVENT_LINE_BYTES_MAX;
use futures_util::{StreamExt, stream};
use service::Address;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use crate::clocks::{Clocks, Reading};
use crate::health;
use crate::known::{Cause, Known};
use crate::log::Changes;
use crate::servers::{self, Look};
use crate::size::MESSAGE_BYTES_MIN;
use crate::streams::{self, Declaration};
use crate::trust::{Class, Distrust, Lack, Trust};

/// From one look at the log to the next while it is trusted: one request to each server and one to the one that ingest is
/// connected to, and one question about each stream. For so long an event may be acknowledged by a log that has just been
/// changed.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// From one look at the log to the next at least. While a partition's stream has no leader, its committer doubts the
/// log several times a second.
const VERIFY_PAUSE: Duration = Duration::from_millis(500);

/// Streams that are asked at once: of a thousand, 60 times one round trip.
const STREAMS_ASKED_MAX: usize = 16;

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
            let verified = self.verify(&mut known, was_trusted).await;
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
                let detail = "the connection to the log broke".to_owned();
                self.settle(Trust::Waiting(Lack { class: Class::NotConnected, detail }));
                Ok(Cause::Doubt)
            }
            () = doubted => Ok(Cause::Doubt),
            () = sleep_until(begun + rest) => Ok(Cause::Interval),
        }
    }

    /// Looks at the servers and at all streams. That a stream does not answer is no error.
    async fn verify(&self, known: &mut Known, was_trusted: bool) -> Result<(), Distrust> {
        let client = self.jetstream.client();
        let Look { monitor_url, max_payload, readings } =
            known.servers.ask(&self.monitor_urls, &client.server_info().server_id).await?;
        self.clocks.agree(readings.iter().map(Reading::lead));
        verify_size(max_payload.min(client.max_payload()))?;
        self.verify_health(monitor_url).await?;
        let questions = stream::iter(Partition::all(self.partitions))
            .map(async |partition| (partition, streams::verify(&self.jetstream, partition, self.declaration).await));
        let mut answers = std::pin::pin!(questions.buffer_unordered(STREAMS_ASKED_MAX));
        let mut short_of_copies = 0;
        while let Some((partition, answer)) = answers.next().await {
            let is_new = known.streams.untrusted.contains(&partition);
            match answer {
                Ok(seen) => {
                    short_of_copies += usize::from(seen.replicas < usize::from(self.declaration.replicas));
                    known.seen(partition, &seen, max_payload);
                }
                Err(Distrust::Unknown(lack)) => known.silent(partition, lack),
                Err(distrust) => return Err(distrust),
            }
            // It need not wait for the others.
            if was_trusted && is_new && !known.streams.untrusted.contains(&partition) {
                self.settle(Trust::Given(known.streams.clone()));
            }
        }
        known.tell_of_copies(short_of_copies, self.declaration.replicas);
        Ok(())
    }

    /// One server that cannot write can do nothing. Of several, one may be unwell, as while it catches up or elects a
    /// leader, and the others store: whether they do, their answers tell.
    async fn verify_health(&self, monitor_url: &Address) -> Result<(), Distrust> {
        let client = servers::client().map_err(|err| Distrust::unknown(Class::ServerSilent, &err))?;
        let Err(lack) = health::verify(&client, monitor_url).await else { return Ok(()) };
        if self.monitor_urls.len() == 1 {
            let is_silent = lack.class == Class::ServerSilent;
            return Err(if is_silent { Distrust::Unknown(lack) } else { Distrust::Unwell(lack) });
        }
        tracing::warn!(reason = lack.detail, "One of the log's servers is not well");
        Ok(())
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

/// Whether the server takes the largest event. Envelopes are made to fit.
fn verify_size(max_payload: usize) -> Result<(), Distrust> {
    if max_payload >= MESSAGE_BYTES_MIN {
        return Ok(());
    }
    Err(Distrust::broken(
        Class::TakesTooLittle,
        format!(
            "the log's server takes messages of {max_payload} bytes, and an event of {EVENT_LINE_BYTES_MAX} needs \
             {MESSAGE_BYTES_MIN} with headers: set `max_payload: 1MB` in its configuration (see nats/server.conf) and \
             reload it"
        ),
    ))
}
