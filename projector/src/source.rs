//! Envelopes behind the checkpoint, in order and without a gap.
//!
//! The consumer in the log is disposable: it acknowledges nothing, lives in memory, and is made anew at the checkpoint
//! whenever something is not as it should be. It has a name so that `nats consumer report` shows how far behind it is.

/// What can be wrong with the log.
mod fault;

/// One of them, as the fold is given it.
mod envelope;

use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, ReplayPolicy};
use chrono::{DateTime, SubsecRound, Utc};
use contract::Partition;
use futures_util::{FutureExt, StreamExt};
use tokio::time::{Instant, timeout};

use crate::amendments::Amendments;
use crate::checkpoint::{Checkpoint, Slice};
use crate::commit::Batch;
use crate::config::Limits;
use crate::deltas::Fold;
use crate::repeats::RecentIds;

pub(crate) use envelope::Logged;
pub(crate) use fault::log_error;
pub use fault::{HistoryError, SourceError};

/// Bytes asked for at a time. At most one and a half times as much is on its way: 12 MiB a partition.
const PULL_BYTES_MAX: usize = 8 << 20;

/// Messages asked for at a time, for small ones.
const PULL_MESSAGES_MAX: usize = 4_000;

/// A question to the log is answered, or asked again, within this time.
const PULL_EXPIRES: Duration = Duration::from_secs(30);

/// Two of these without a sign of life, and the consumer is made anew: so long does the restart of a server delay reports.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Without a message for so long it is asked whether there is one. A message that was on its way when the connection
/// broke is delivered for the server, and nobody sends it again.
const SILENCE: Duration = Duration::from_secs(1);

/// A source that is not read for longer takes its consumer for lost, and is to be opened again.
pub(crate) const REST_MAX: Duration = Duration::from_secs(1);

/// The server forgets a consumer that nobody has asked for so long.
const INACTIVE_THRESHOLD: Duration = Duration::from_mins(1);

/// What a stream says of itself.
pub struct Stream {
    log: jetstream::Context,
    partition: Partition,
    stream: jetstream::stream::Stream,
    /// When it was made.
    pub created: DateTime<Utc>,
}

/// A partition's envelopes from the checkpoint on.
pub struct Source {
    messages: pull::Stream,
    stream: jetstream::stream::Stream,
    /// What stands for envelopes that are gone on purpose.
    amendments: Amendments,
    /// Came from the log, but others are expected before it.
    held: Option<Logged>,
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
}

impl Stream {
    /// Looks at a partition's stream.
    ///
    /// # Errors
    ///
    /// The log is away, or the stream does not exist.
    pub async fn find(log: &jetstream::Context, partition: Partition) -> Result<Self, SourceError> {
        let stream = log.get_stream(partition.stream()).await.map_err(log_error("looking at the stream"))?;
        let created = as_stored(stream.cached_info().created);
        Ok(Self { log: log.clone(), partition, stream, created })
    }

    /// The last sequence that is missing at its beginning; 0 while it is whole, or empty. What was erased is not missing:
    /// something stands for it.
    ///
    /// # Errors
    ///
    /// The log is away.
    pub async fn missing_until(&self) -> Result<u64, SourceError> {
        let first = self.stream.cached_info().state.first_sequence.max(1);
        if first == 1 {
            return Ok(0);
        }
        self.amendments().missing_before(first).await
    }

    /// What stands for envelopes of it that are gone on purpose.
    pub(crate) fn amendments(&self) -> Amendments {
        Amendments::of(self.log.clone(), self.partition)
    }

    /// The sequence that it ends with.
    pub fn last_sequence(&self) -> u64 {
        self.stream.cached_info().state.last_sequence
    }

    /// Checks that the stream continues what the checkpoint stands for, and begins to read behind it.
    ///
    /// # Errors
    ///
    /// The history is another or incomplete, or the log is away.
    pub async fn open(&self, slice: Slice, checkpoint: Checkpoint) -> Result<Source, SourceError> {
        let state = &self.stream.cached_info().state;
        // Where the last envelope's time is known, it is read once more: is it still the one that was folded?
        let start_sequence = checkpoint.sequence + u64::from(checkpoint.logged_at.is_none());
        self.check_history(state.last_sequence, checkpoint)?;
        let mut amendments = self.amendments();
        let expected = checkpoint.sequence + 1;
        if state.first_sequence > expected && !amendments.have(expected).await? {
            let to = amendments.gap_end(expected, state.first_sequence - 1);
            return Err(HistoryError::Gap { from: expected, to }.into());
        }
        let consumer = self
            .stream
            .create_consumer(pull::Config {
                name: Some(format!("g{}-p{}-{}", slice.generation.0, slice.partition, nuid::next())),
                description: Some("Tidemark projector: reads behind its checkpoint, acknowledges nothing".to_owned()),
                deliver_policy: DeliverPolicy::ByStartSequence { start_sequence },
                ack_policy: AckPolicy::None,
                replay_policy: ReplayPolicy::Instant,
                inactive_threshold: INACTIVE_THRESHOLD,
                memory_storage: true,
                num_replicas: 1,
                ..Default::default()
            })
            .await
            .map_err(log_error("making a consumer"))?;
        let messages = consumer
            .stream()
            .max_messages_per_batch(PULL_MESSAGES_MAX)
            .max_bytes_per_batch(PULL_BYTES_MAX)
            .expires(PULL_EXPIRES)
            .heartbeat(HEARTBEAT)
            .messages()
            .await
            .map_err(log_error("asking for messages"))?;
        Ok(Source {
            messages,
            stream: self.stream.clone(),
            amendments,
            held: None,
            silent_until: 0,
            seen_missing: 0,
            checkpoint,
            expected,
            is_fresh: true,
            fault: None,
        })
    }

    fn check_history(&self, last: u64, checkpoint: Checkpoint) -> Result<(), HistoryError> {
        if self.created != checkpoint.stream_created && !self.reaches_back_to(checkpoint) {
            return Err(HistoryError::Recreated { known: checkpoint.stream_created, found: self.created });
        }
        if last < checkpoint.sequence {
            return Err(HistoryError::Rewound { last, checkpoint: checkpoint.sequence });
        }
        Ok(())
    }

    /// Whether a stream of another date holds what was counted, or was meant to: the log's server dates a stream anew
    /// when it restores a backup. In a stream that was made anew everything is younger than what was counted. Taken for
    /// one, a restored stream would be counted a second time, once somebody acknowledged it.
    fn reaches_back_to(&self, checkpoint: Checkpoint) -> bool {
        let state = &self.stream.cached_info().state;
        let is_older = |counted| as_stored(state.first_timestamp) <= counted;
        state.messages > 0 && state.first_sequence <= checkpoint.sequence && checkpoint.logged_at.is_some_and(is_older)
    }
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
        let mut batch =
            Batch { deltas: fold.begin(), last_sequence: 0, last_logged_at: None, envelopes: 0, pending: 0 };
        let mut begun = None;
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
        }
        batch.deltas.sort();
        Ok(batch)
    }

    /// The next envelope as it lies in the log, for those who do not fold it; waits while there is none.
    ///
    /// # Errors
    ///
    /// See [`SourceError`].
    pub(crate) async fn next_logged(&mut self) -> Result<Logged, SourceError> {
        let logged = self.next().await?;
        self.passed(&logged);
        Ok(logged)
    }

    /// The envelope of the expected sequence, once it is there: from the stream, or what stands for it. Dropped while it
    /// waits, it loses nothing.
    async fn next(&mut self) -> Result<Logged, SourceError> {
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
        let logged = Logged::of(message)?;
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
    fn add(&mut self, batch: &mut Batch, fold: &Fold, recent: &mut RecentIds, logged: &Logged) {
        if !logged.is_erased {
            fold.add(recent, &mut batch.deltas, logged.message());
        }
        batch.last_sequence = logged.sequence;
        batch.last_logged_at = Some(as_stored(logged.logged_at));
        batch.envelopes += 1;
        self.passed(logged);
        batch.pending = logged.pending + u64::from(self.held.is_some() || self.silent_until >= self.expected);
    }

    fn passed(&mut self, logged: &Logged) {
        self.expected = logged.sequence + 1;
        self.is_fresh = false;
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
