//! All envelopes of a partition as they lie in the log now, one after the other. Gaps are passed: nothing can be erased
//! from what is not there.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use async_nats::jetstream;
use contract::Partition;
use tokio::time::{Instant, sleep};

use crate::checkpoint::{Checkpoint, Slice};
use crate::generation::GenerationId;
use crate::source::{Entry, HistoryError, REST_MAX, Source, SourceError, Stream};

/// Tries to go on after a fault: the log may restart meanwhile.
const TRIES_MAX: u32 = 20;

/// Between two of them.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// A way through one partition.
pub(crate) struct Walk {
    log: jetstream::Context,
    partition: Partition,
    source: Option<Source>,
    /// The last sequence that was passed.
    at: u64,
    until: u64,
    asked_at: Instant,
    tries: u32,
}

impl Walk {
    /// From the first envelope to the one that is the last one now.
    ///
    /// # Errors
    ///
    /// The log is away.
    pub(crate) async fn through(log: &jetstream::Context, partition: Partition) -> anyhow::Result<Self> {
        Self::behind(log, partition, 0).await
    }

    /// From the first envelope behind a sequence.
    ///
    /// # Errors
    ///
    /// The log is away.
    pub(crate) async fn behind(log: &jetstream::Context, partition: Partition, at: u64) -> anyhow::Result<Self> {
        let until = Stream::find(log, partition).await?.last_sequence();
        let asked_at = Instant::now();
        Ok(Self { log: log.clone(), partition, source: None, at, until, asked_at, tries: 0 })
    }

    /// Through which one.
    pub(crate) fn partition(&self) -> Partition {
        self.partition
    }

    /// Where it ends.
    pub(crate) fn until(&self) -> u64 {
        self.until
    }

    /// How far it has come.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// The next one, or none any more.
    ///
    /// # Errors
    ///
    /// The log is away for longer.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Entry>> {
        while self.at < self.until {
            match self.try_next().await {
                Ok(logged) => {
                    (self.at, self.tries) = (logged.sequence, 0);
                    return Ok((logged.sequence <= self.until).then_some(logged));
                }
                Err(SourceError::History(HistoryError::Gap { to, .. })) => self.at = to,
                Err(fault) => {
                    self.tries += 1;
                    let doing = || format!("reading partition {} behind sequence {}", self.partition, self.at);
                    ensure!(self.tries < TRIES_MAX, anyhow::Error::new(fault).context(doing()));
                    sleep(RETRY_PAUSE).await;
                }
            }
            self.source = None;
        }
        Ok(None)
    }

    async fn try_next(&mut self) -> Result<Entry, SourceError> {
        // A source that rests for longer has to be opened again.
        let rested = self.asked_at.elapsed() > REST_MAX;
        let mut source = match self.source.take().filter(|_| !rested) {
            Some(source) => source,
            None => self.open().await?,
        };
        let logged = source.next_logged().await?;
        self.asked_at = Instant::now();
        self.source = Some(source);
        Ok(logged)
    }

    async fn open(&self) -> Result<Source, SourceError> {
        let stream = Stream::find(&self.log, self.partition).await?;
        let stream_created = stream.created;
        let checkpoint = Checkpoint { sequence: self.at, epoch: 0, stream_created, logged_at: None, log_slot: 0 };
        // No generation has this number: the consumer's name tells that nothing is folded.
        stream.open(Slice { generation: GenerationId(0), partition: self.partition }, checkpoint).await
    }
}

/// The partitions that have a stream, and all of their ends.
///
/// # Errors
///
/// The log is away.
pub(crate) async fn all(log: &jetstream::Context) -> anyhow::Result<Vec<Walk>> {
    let mut walks = Vec::new();
    for partition in crate::log_end::partitions(log).await.context("looking for the log's partitions")? {
        walks.push(Walk::through(log, partition).await?);
    }
    Ok(walks)
}
