//! Envelopes behind the checkpoint, in order and without a gap.
//!
//! The consumer in the log is disposable: it acknowledges nothing, lives in memory, and is made anew at the checkpoint
//! whenever something is not as it should be. It has a name so that `nats consumer report` shows how far behind it is.

/// What can be wrong with the log.
mod fault;

/// One of them, as the fold is given it.
mod envelope;

/// What is looked at before the first of them is read.
mod stream;

use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::pull;
use chrono::{DateTime, SubsecRound, Utc};
use contract::Partition;
use futures_util::{FutureExt, StreamExt};
use service::Span;
use service::traces::{self, SpanContext, SpanKind};
use tokio::time::{Instant, timeout};

use crate::amendments::Amendments;
use crate::checkpoint::Checkpoint;
use crate::commit::Batch;
use crate::config::Limits;
use crate::deltas::Fold;
use crate::instruments;
use crate::repeats::RecentIds;

pub(crate) use envelope::Entry;
pub(crate) use fault::log_error;
pub use fault::{HistoryError, SourceError};
pub use stream::Stream;

/// Without a message for so long it is asked whether there is one. A message that was on its way when the connection
/// broke is delivered for the server, and nobody sends it again.
const SILENCE: Duration = Duration::from_secs(1);

/// A source that is not read for longer takes its consumer for lost, and is to be opened again.
pub(crate) const REST_MAX: Duration = Duration::from_secs(1);

/// A partition's envelopes from the checkpoint on.
pub struct Source {
    messages: pull::Stream,
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
    /// No message has come yet: the first must be the expected one, because the consumer was told to begin there.
    is_fresh: bool,
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
                let amended = self.amendments.get(self.expected, found - 1).await?;
                return amended.ok_or_else(|| self.gap(found));
            }
            if self.silent_until >= self.expected {
                let amended = self.amendments.get(self.expected, self.silent_until).await?;
                return amended.ok_or(SourceError::Silent { expected: self.expected, last: self.silent_until });
            }
            match timeout(SILENCE, self.messages.next()).await {
                Ok(message) => self.take(&checked(message)?)?,
                Err(_) => self.look().await?,
            }
        }
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

    /// Sequences that something should lie under.
    fn gap(&self, found: u64) -> SourceError {
        let expected = self.expected;
        if self.is_fresh {
            HistoryError::Gap { from: expected, to: self.amendments.gap_end(expected, found - 1) }.into()
        } else {
            SourceError::Lost { expected, found }
        }
    }

    /// Adds an envelope to the batch.
    fn add(&mut self, batch: &mut Batch, fold: &Fold, recent: &mut RecentIds, logged: &Entry) {
        if self.traces.len() < traces::CONTEXTS_MAX {
            self.traces.extend(logged.trace.clone());
        }
        if !logged.is_erased {
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
        self.is_fresh = false;
    }

    /// The span of the last batch, from now on: in the trace of its first envelope that has one, with links to others.
    pub(crate) fn span(&self, partition: Partition) -> Option<Span> {
        Span::following(format!("commit {}", partition.subject()), SpanKind::Consumer, &self.traces)
    }

    fn check_counted(&self, sequence: u64, published: DateTime<Utc>) -> Result<(), HistoryError> {
        let found = as_stored(published);
        match self.checkpoint.logged_at {
            Some(known) if sequence == self.checkpoint.sequence && known != found => {
                Err(HistoryError::Replaced { sequence, known, found })
            }
            _ => Ok(()),
        }
    }
}

fn checked(
    message: Option<Result<jetstream::Message, pull::MessagesError>>,
) -> Result<jetstream::Message, SourceError> {
    let ended = || pull::MessagesError::new(pull::MessagesErrorKind::ConsumerDeleted);
    message.unwrap_or_else(|| Err(ended())).map_err(log_error("reading messages"))
}

/// Postgres keeps microseconds.
fn as_stored(time: DateTime<Utc>) -> DateTime<Utc> {
    time.trunc_subsecs(6)
}
