//! Whether the log keeps the promises that a 2xx makes: asked after each connection and at each doubt.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream;
use contract::Partition;
use futures_util::{StreamExt, stream};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use crate::log::{Changes, Distrust, Streams, Trust};
use crate::streams::{self, Declaration};
use crate::{durability, health};

/// From one look at the log to the next at least. While a partition's stream has no leader, its committer doubts the
/// log several times a second.
const VERIFY_PAUSE: Duration = Duration::from_millis(500);

/// Streams that are asked at once: of a thousand, 60 times one round trip.
const STREAMS_ASKED_MAX: usize = 16;

/// Asks, after each connection and at each doubt, whether the log keeps the promises that a 2xx makes.
pub(crate) struct Guard {
    pub(crate) jetstream: jetstream::Context,
    pub(crate) monitor_urls: Vec<String>,
    pub(crate) partitions: u16,
    pub(crate) declaration: Declaration,
    pub(crate) changes: watch::Receiver<Changes>,
    pub(crate) doubts: Arc<Notify>,
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
        let (mut known, mut streams) = (0, Streams::none_asked(self.partitions));
        loop {
            let connection = self.connected().await?;
            if known != connection {
                (known, streams) = (connection, Streams::none_asked(self.partitions));
            }
            let begun = Instant::now();
            match self.verify(&mut streams, was_trusted).await {
                Ok(()) if streams.silent.is_empty() => {
                    was_trusted = true;
                    self.settle(Trust::Given(streams.clone()));
                    self.doubted().await?;
                }
                Ok(()) if was_trusted => self.settle(Trust::Given(streams.clone())),
                // Who starts tells at once of streams that cannot be used, and is not ready before it has seen all.
                Ok(()) => self.settle(Trust::Waiting(streams.lack())),
                Err(Distrust::Broken(promise)) if !was_trusted => anyhow::bail!(promise),
                Err(Distrust::Broken(promise)) => self.settle(Trust::Refused(promise)),
                Err(Distrust::Unknown(err)) => self.settle(Trust::Waiting(format!("{err:#}"))),
            }
            self.pause_until(begun + VERIFY_PAUSE).await?;
        }
    }

    /// Waits for a connection, and tells which one it is.
    async fn connected(&mut self) -> anyhow::Result<Changes> {
        if self.changes.borrow_and_update().is_multiple_of(2) {
            self.settle(Trust::Waiting("the log is not connected".to_owned()));
        }
        let connection = self.changes.wait_for(|changes| changes % 2 == 1).await.context("the connection is gone")?;
        Ok(*connection)
    }

    /// Returns when an envelope got no answer, or the connection is another one.
    async fn doubted(&mut self) -> anyhow::Result<()> {
        tokio::select! {
            changed = self.changes.changed() => {
                changed.context("the connection is gone")?;
                self.settle(Trust::Waiting("the log is not connected".to_owned()));
            }
            () = self.doubts.notified() => {}
        }
        Ok(())
    }

    /// Rests, unless the connection changes.
    async fn pause_until(&mut self, end: Instant) -> anyhow::Result<()> {
        tokio::select! {
            changed = self.changes.changed() => changed.context("the connection is gone"),
            () = sleep_until(end) => Ok(()),
        }
    }

    /// Looks at the servers and at all streams. That a stream does not answer is no error.
    async fn verify(&self, known: &mut Streams, was_trusted: bool) -> Result<(), Distrust> {
        let connected_to = self.jetstream.client().server_info().server_id;
        let monitor_url = durability::verify(&self.monitor_urls, &connected_to).await?;
        self.verify_health(monitor_url).await?;
        let questions = stream::iter(Partition::all(self.partitions))
            .map(async |partition| (partition, streams::verify(&self.jetstream, partition, self.declaration).await));
        let mut answers = std::pin::pin!(questions.buffer_unordered(STREAMS_ASKED_MAX));
        while let Some((partition, answer)) = answers.next().await {
            match answer {
                Ok(()) => {
                    known.silent.remove(&partition);
                    // It need not wait for the others.
                    if known.unasked.remove(&partition) && was_trusted {
                        self.settle(Trust::Given(known.clone()));
                    }
                }
                Err(Distrust::Broken(promise)) => return Err(Distrust::Broken(promise)),
                Err(Distrust::Unknown(err)) => {
                    known.silent.insert(partition, format!("{err:#}"));
                }
            }
        }
        Ok(())
    }

    /// One server that cannot write can do nothing. Of several, one may be unwell, as while it catches up or elects a
    /// leader, and the others store: whether they do, their answers tell.
    async fn verify_health(&self, monitor_url: &str) -> Result<(), Distrust> {
        let health = health::verify(monitor_url).await;
        if self.monitor_urls.len() == 1 {
            return health.map_err(Distrust::Unknown);
        }
        if let Err(err) = health {
            tracing::warn!(reason = format!("{err:#}"), "One of the log's servers is not well");
        }
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
                    tracing::warn!(streams = silent.join(", "), "Some streams of the log do not answer");
                }
                Trust::Waiting(lack) => tracing::warn!(reason = lack, "Waiting for the log"),
                Trust::Refused(promise) => {
                    tracing::error!(reason = promise, "Accepting nothing: the log breaks a promise");
                }
            }
            *known = trust;
            true
        });
    }
}
