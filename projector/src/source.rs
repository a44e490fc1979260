//! Envelopes behind the checkpoint, in order and without a gap.
//!
//! The consumer in the log is disposable: it acknowledges nothing, lives in memory, and is made anew at the checkpoint
//! whenever something is not as it should be. It has a name so that `nats consumer report` shows how far behind it is.

/// What can be wrong with the log.
mod fault;

/// One of them, as the fold is given it.
mod envelope;

/// The headers of one, whatever bytes they are.
pub mod headers;

/// Messages that the log is asked for, one at a time.
pub(crate) mod stored;

/// What is looked at before the first of them is read.
mod stream;

/// What a consumer delivers, over a connection of its own.
mod deliveries;

use std::time::Duration;

use async_nats::jetstream;
use chrono::{DateTime, SubsecRound, Utc};
use contract::Partition;
use futures_util::FutureExt;
use service::Span;
use service::traces::{self, SpanContext, SpanKind};
use tokio::time::{Instant, timeout};

use crate::amendments::Amendments;
use crate::checkpoint::{Checkpoint, Slice};
use crate::commit::Batch;
use crate::config::Limits;
use crate::deltas::Fold;
use crate::instruments;
use crate::log::Log;
use crate::repeats::RecentIds;

use deliveries::Deliveries;
pub(crate) use envelope::Entry;
pub(crate) use fault::log_error;
pub use fault::{HistoryError, SourceError};
pub use stream::Stream;

/// Without a message for so long it is asked whether there is one. A message that was on its way when the connection
/// broke is delivered for the server, and nobody sends it again.
const SILENCE: Duration = Duration::from_secs(1);

/// A source that is not read for longer takes its consumer for lost, and is to be opened again.
pub(crate) const REST_MAX: Duration = Duration::from_secs(1);

/// Envelopes that are asked for one at a time behind one that cannot be delivered: others like it may be near, and each
/// that is delivered breaks a connection.
const SINGLY: u64 = 256;

/// A partition's envelopes from the checkpoint on.
pub struct Source {
    log: Log,
    slice: Slice,
    /// None yet where envelopes are asked for one at a time.
    deliveries: Option<Deliveries>,
    /// Up to here they are.
    singly_until: u64,
    stream: jetstream::stream::Stream,
    /// What stands for envelopes that are gone on purpose.
    amendments: Amendments,
    /// Came from the log, but others are expected before it.
    held: Option<Entry>,
    /// Nothing comes for these: they were erased, and nothing lies behind them.
    silent_until: u64,
    /// Where the stream ended at the last look, while nothing comes.
    seen_missing: u64,
    /// Where it began.
    checkpoint: Checkpoint,
    expected: u64,
    /// What happened behind the last batch.
    fault: Option<SourceError>,
    /// Of the envelopes of the last batch that somebody traces.
    traces: Vec<SpanContext>,
}

impl Source {
    /// Waits for an envelope, and folds all that follow until the batch is full, the log is drained, or sequence `until`
    /// is in it, which must lie behind the checkpoint.
    ///
    /// # Errors
    ///
    /// See [`SourceError`]. What came before a fault is a batch of its own; the fault is told next time.
    pub async fn next_batch(
        &mut self,
        fold: &Fold,
        recent: &mut RecentIds,
        limits: Limits,
        until: u64,
    ) -> Result<Batch, SourceError> {
        assert!(self.expected <= until, "there is something left to read");
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        self.traces.clear();
        let mut batch =
            Batch { deltas: fold.begin(), last_sequence: 0, last_logged_at: None, envelopes: 0, pending: 0 };
        let (mut begun, mut rests) = (None, limits.effort.begin());
        while self.expected <= until && !batch.is_full(limits) {
            if begun.is_some_and(|begun: Instant| begun.elapsed() > limits.batch_time_max) {
                break;
            }
            // With more in the log it is worth waiting for; otherwise what has come is all there is.
            let is_drained = batch.envelopes > 0 && batch.pending == 0;
            let logged = if is_drained { self.next().now_or_never() } else { Some(self.next().await) };
            let Some(logged) = logged else { break };
            begun.get_or_insert_with(Instant::now);
            match logged {
                Ok(logged) => self.add(&mut batch, fold, recent, &logged),
                Err(fault) if batch.envelopes > 0 => {
                    self.fault = Some(fault);
                    break;
                }
                Err(fault) => return Err(fault),
            }
            rests.rest().await;
        }
        batch.deltas.sort();
        if let Some(begun) = begun {
            instruments::folded(begun.elapsed());
        }
        Ok(batch)
    }

    /// The next envelope as it lies in the log, for those who do not fold it; waits while there is none.
    ///
    /// # Errors
    ///
    /// See [`SourceError`].
    pub(crate) async fn next_logged(&mut self) -> Result<Entry, SourceError> {
        let logged = self.next().await?;
        self.passed(&logged);
        Ok(logged)
    }

    /// The envelope of the expected sequence, once it is there: from the stream, or what stands for it. Dropped while it
    /// waits, it loses nothing.
    async fn next(&mut self) -> Result<Entry, SourceError> {
        loop {
            if let Some(held) = self.held.take_if(|held| held.sequence == self.expected) {
                return Ok(held);
            }
            if let Some(held) = &self.held {
                let found = held.sequence;
                return match Box::pin(self.amendments.get(self.expected, found - 1)).await? {
                    Some(amended) => Ok(amended),
                    None => Err(Box::pin(self.lost_or_gone(found)).await),
                };
            }
            if self.silent_until >= self.expected {
                let amended = Box::pin(self.amendments.get(self.expected, self.silent_until)).await?;
                return amended.ok_or(SourceError::Silent { expected: self.expected, last: self.silent_until });
            }
            if self.expected <= self.singly_until {
                Box::pin(self.ask()).await?;
                continue;
            }
            let Some(deliveries) = &mut self.deliveries else {
                self.subscribe(self.expected).await?;
                continue;
            };
            match timeout(SILENCE, deliveries.next()).await {
                Ok(message) => self.take(&message?)?,
                Err(_) => Box::pin(self.look()).await?,
            }
        }
    }

    /// Has envelopes delivered from a sequence on.
    async fn subscribe(&mut self, from: u64) -> Result<(), SourceError> {
        // Boxed, as all that is asked of the log: what the client library needs for it is large, and every reader would
        // carry it along.
        self.deliveries = Some(Box::pin(Deliveries::open(&self.log, self.slice, from)).await?);
        Ok(())
    }

    /// Takes the next envelope that the log has, without a consumer. Where there is none yet, one is waited for again.
    async fn ask(&mut self) -> Result<(), SourceError> {
        let events = self.slice.partition.stream();
        match stored::first_from(&self.log, &events, self.expected).await? {
            Some(stored) => self.hold(stored),
            None => self.singly_until = 0,
        }
        Ok(())
    }

    fn hold(&mut self, stored: stored::Stored) {
        if !headers::is_deliverable(&stored.headers) {
            self.singly_until = stored.sequence + SINGLY;
        }
        self.held = Some(Entry::stored(stored, self.stream.cached_info().state.last_sequence));
    }

    /// Takes a message that has come, unless it was counted before.
    fn take(&mut self, message: &jetstream::Message) -> Result<(), SourceError> {
        let logged = Entry::of(message)?;
        self.seen_missing = 0;
        if logged.sequence < self.expected {
            // The last one, or a consumer that the client made anew begins too early.
            self.check_counted(logged.sequence, logged.logged_at)?;
        } else {
            self.held = Some(logged);
        }
        Ok(())
    }

    /// Looks whether there is something that does not come.
    async fn look(&mut self) -> Result<(), SourceError> {
        // A log that does not answer is noticed by its missing heartbeat.
        let Ok(info) = self.stream.get_info().await else { return Ok(()) };
        let last = info.state.last_sequence;
        if last >= self.expected && self.amendments.have(self.expected).await? {
            self.silent_until = self.amendments.run_end(self.expected, last);
        } else if self.seen_missing >= self.expected {
            return Err(SourceError::Silent { expected: self.expected, last });
        }
        // What was missing before this look was not on its way just now.
        self.seen_missing = last;
        Ok(())
    }

    /// Why `found` came and not what was expected. That it did not come does not say that it is gone: the log does.
    async fn lost_or_gone(&mut self, found: u64) -> SourceError {
        let expected = self.expected;
        let first = match stored::first_from(&self.log, &self.slice.partition.stream(), expected).await {
            Ok(first) => first.map(|first| first.sequence),
            Err(err) => return err,
        };
        match stream::gap(&mut self.amendments, expected, first, found - 1).await {
            Ok(Some(gap)) => gap.into(),
            Ok(None) => SourceError::Lost { expected, found },
            Err(err) => err,
        }
    }

    /// Adds an envelope to the batch.
    fn add(&mut self, batch: &mut Batch, fold: &Fold, recent: &mut RecentIds, logged: &Entry) {
        if self.traces.len() < traces::CONTEXTS_MAX {
            self.traces.extend(logged.trace.clone());
        }
        if logged.is_erased {
            fold.pass(recent, &mut batch.deltas, logged.message());
        } else {
            fold.add(recent, &mut batch.deltas, logged.message());
        }
        batch.last_sequence = logged.sequence;
        batch.last_logged_at = Some(as_stored(logged.logged_at));
        batch.envelopes += 1;
        self.passed(logged);
        batch.pending = logged.pending + u64::from(self.held.is_some() || self.silent_until >= self.expected);
    }

    fn passed(&mut self, logged: &Entry) {
        self.expected = logged.sequence + 1;
    }

    /// The span of the last batch, from now on: in the trace of its first envelope that has one, with links to others.
    pub(crate) fn span(&self, partition: Partition) -> Option<Span> {
        Span::following(format!("commit {}", partition.subject()), SpanKind::Consumer, &self.traces)
    }

    fn check_counted(&self, sequence: u64, published: DateTime<Utc>) -> Result<(), HistoryError> {
        stream::check_counted(self.checkpoint, sequence, published)
    }
}

/// Postgres keeps microseconds.
pub(crate) fn as_stored(time: DateTime<Utc>) -> DateTime<Utc> {
    time.trunc_subsecs(6)
}
