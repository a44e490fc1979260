//! All envelopes of a partition as they lie in the log now, one after the other. Every sequence is accounted for: its
//! envelope comes, or what stands for it, or the log has said that it has neither. Such a gap is passed: nothing can be
//! erased from what is not there, nor archived. What the log counts as deleted has to agree.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use contract::Partition;
use tokio::time::{Instant, sleep};

use super::connect::Log;
use super::entry::Entry;
use super::error::{HistoryError, LogError};
use super::reader::{LogReader, REST_MAX};
use super::stream::Stream;
use super::streams;

/// Tries to go on after a fault: the log may restart meanwhile.
const TRIES_MAX: u32 = 20;

/// Between two of them.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Sequences, the first and the last.
#[derive(Debug, Clone, Copy)]
struct SequenceRange {
    first: u64,
    last: u64,
}

/// A way through one partition.
pub struct LogScan {
    log: Log,
    partition: Partition,
    source: Option<LogReader>,
    /// The last sequence that was passed.
    at: u64,
    /// Sequences that the log was found not to have, in order.
    absent: Vec<SequenceRange>,
    until: u64,
    asked_at: Instant,
    tries: u32,
}

impl LogScan {
    /// From the first envelope to the one that is the last one now.
    pub async fn through(log: &Log, partition: Partition) -> anyhow::Result<Self> {
        Self::behind(log, partition, 0).await
    }

    /// From the first envelope behind a sequence.
    pub async fn behind(log: &Log, partition: Partition, at: u64) -> anyhow::Result<Self> {
        let until = Stream::find(log, partition).await?.last_sequence();
        let asked_at = Instant::now();
        Ok(Self { log: log.clone(), partition, source: None, at, absent: Vec::new(), until, asked_at, tries: 0 })
    }

    /// Through which one.
    pub fn partition(&self) -> Partition {
        self.partition
    }

    /// Where it ends.
    pub fn until(&self) -> u64 {
        self.until
    }

    /// How far it has come.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The next one, or none any more.
    ///
    /// # Errors
    ///
    /// The log is unavailable for longer, or contradicts itself.
    pub async fn next(&mut self) -> anyhow::Result<Option<Entry>> {
        while self.at < self.until {
            match self.try_next().await {
                Ok(logged) => {
                    let sequence = logged.sequence;
                    ensure!(sequence == self.at + 1, "sequence {sequence} came behind {}", self.at);
                    if logged.amendment.is_some() {
                        self.note_absent(SequenceRange { first: sequence, last: sequence });
                    }
                    (self.at, self.tries) = (sequence, 0);
                    return Ok(Some(logged));
                }
                Err(LogError::History(HistoryError::Gap { from, to })) => {
                    self.note_absent(SequenceRange { first: from, last: to });
                    (self.at, self.tries) = (to, 0);
                }
                Err(fault) => {
                    self.tries += 1;
                    let doing = || format!("reading partition {} behind sequence {}", self.partition, self.at);
                    ensure!(self.tries < TRIES_MAX, anyhow::Error::new(fault).context(doing()));
                    sleep(RETRY_PAUSE).await;
                }
            }
            self.source = None;
        }
        Box::pin(self.check_absent()).await?;
        Ok(None)
    }

    /// Checks what was found absent against what the log counts: it deletes nothing that it does not count.
    ///
    /// # Errors
    ///
    /// The log is unavailable, or has deleted fewer than were found absent.
    pub async fn check_absent(&self) -> anyhow::Result<()> {
        let stream = Box::pin(self.log.get_stream(self.partition.stream())).await.context("looking at the stream")?;
        let state = &stream.cached_info().state;
        // What lies before its first envelope is counted no longer.
        let first = if state.messages == 0 { state.last_sequence + 1 } else { state.first_sequence };
        let since = |range: &SequenceRange| (range.last + 1).saturating_sub(range.first.max(first));
        let absent: u64 = self.absent.iter().map(since).sum();
        let deleted = state.deleted_count.unwrap_or(0);
        ensure!(
            absent <= deleted,
            "partition {} was found to lack {absent} envelopes, but its stream counts {deleted} deleted ones: nothing is \
             taken for gone that the log does not say is gone. Run the same again",
            self.partition
        );
        Ok(())
    }

    fn note_absent(&mut self, range: SequenceRange) {
        match self.absent.last_mut() {
            Some(last) if last.last + 1 == range.first => last.last = range.last,
            _ => self.absent.push(range),
        }
    }

    async fn try_next(&mut self) -> Result<Entry, LogError> {
        // A source that rests for longer has to be opened again.
        let rested = self.asked_at.elapsed() > REST_MAX;
        let mut source = match self.source.take().filter(|_| !rested) {
            Some(source) => source,
            None => Box::pin(self.open()).await?,
        };
        let logged = source.next_entry().await?;
        self.asked_at = Instant::now();
        self.source = Some(source);
        Ok(logged)
    }

    async fn open(&self) -> Result<LogReader, LogError> {
        let stream = Stream::find(&self.log, self.partition).await?;
        // No generation has the number 0: the consumer's name tells that nothing is folded.
        LogReader::open(&stream, format!("g0-p{}", self.partition), stream.position(self.at)).await
    }
}

/// The partitions that have a stream, and all of their ends.
pub async fn all(log: &Log) -> anyhow::Result<Vec<LogScan>> {
    let mut scans = Vec::new();
    for partition in streams::partitions(log).await.context("looking for the log's partitions")? {
        scans.push(LogScan::through(log, partition).await?);
    }
    Ok(scans)
}
