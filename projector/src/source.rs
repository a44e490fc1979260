//! Envelopes behind the checkpoint, in order and without a gap.
//!
//! The consumer in the log is disposable: it acknowledges nothing, lives in memory, and is made anew at the checkpoint
//! whenever something is not as it should be. It has a name so that `nats consumer report` shows how far behind it is.

/// What can be wrong with the log.
mod fault;

use std::time::Duration;

use async_nats::HeaderValue;
use async_nats::jetstream;
use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, ReplayPolicy};
use chrono::{DateTime, SubsecRound, Utc};
use contract::Partition;
use contract::log::{SCHEMA_HEADER, TRACE_HEADER};
use futures_util::{FutureExt, StreamExt};
use service::Span;
use service::traces::{self, SpanContext, SpanKind};
use tokio::time::{Instant, timeout};

use crate::checkpoint::{Checkpoint, Slice};
use crate::commit::Batch;
use crate::config::Limits;
use crate::deltas::{Fold, Message};
use crate::instruments;
use crate::repeats::RecentIds;

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
    stream: jetstream::stream::Stream,
    /// When it was made.
    pub created: DateTime<Utc>,
}

/// A partition's envelopes from the checkpoint on.
pub struct Source {
    messages: pull::Stream,
    stream: jetstream::stream::Stream,
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

impl Stream {
    /// Looks at a partition's stream.
    ///
    /// # Errors
    ///
    /// The log is away, or the stream does not exist.
    pub async fn find(log: &jetstream::Context, partition: Partition) -> Result<Self, SourceError> {
        let stream = log.get_stream(partition.stream()).await.map_err(log_error("looking at the stream"))?;
        let created = as_stored(stream.cached_info().created);
        Ok(Self { stream, created })
    }

    /// The sequence that it begins with; 1 while it is whole, or empty.
    pub fn first_sequence(&self) -> u64 {
        self.stream.cached_info().state.first_sequence.max(1)
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
        self.check_history(state.first_sequence, state.last_sequence, checkpoint)?;
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
        let stream = self.stream.clone();
        Ok(Source {
            messages,
            stream,
            checkpoint,
            expected: checkpoint.sequence + 1,
            is_fresh: true,
            fault: None,
            traces: vec![],
        })
    }

    fn check_history(&self, first: u64, last: u64, checkpoint: Checkpoint) -> Result<(), HistoryError> {
        if self.created != checkpoint.stream_created && !self.reaches_back_to(checkpoint) {
            return Err(HistoryError::Recreated { known: checkpoint.stream_created, found: self.created });
        }
        if last < checkpoint.sequence {
            return Err(HistoryError::Rewound { last, checkpoint: checkpoint.sequence });
        }
        if first > checkpoint.sequence + 1 {
            return Err(HistoryError::Gap { from: checkpoint.sequence + 1, to: first - 1 });
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
            let message =
                if is_drained { self.messages.next().now_or_never().map(checked) } else { Some(self.next().await) };
            let Some(message) = message else { break };
            begun.get_or_insert_with(Instant::now);
            match message.and_then(|message| self.add(&mut batch, fold, recent, &message)) {
                Ok(()) => {}
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

    /// Waits for a message for as long as there is none in the log.
    async fn next(&mut self) -> Result<jetstream::Message, SourceError> {
        let mut silent_since = None;
        loop {
            if let Ok(message) = timeout(SILENCE, self.messages.next()).await {
                return checked(message);
            }
            // A log that does not answer is noticed by its missing heartbeat.
            let Ok(info) = self.stream.get_info().await else { continue };
            let last = info.state.last_sequence;
            // What was missing before this look was not on its way just now.
            if silent_since.is_some_and(|last| last >= self.expected) {
                return Err(SourceError::Silent { expected: self.expected, last });
            }
            silent_since = Some(last);
        }
    }

    /// Adds a message to the batch.
    fn add(
        &mut self,
        batch: &mut Batch,
        fold: &Fold,
        recent: &mut RecentIds,
        message: &jetstream::Message,
    ) -> Result<(), SourceError> {
        let info = message.info().map_err(|source| SourceError::Log { doing: "reading a message's place", source })?;
        let (found, expected) = (info.stream_sequence, self.expected);
        if found < expected {
            // Counted before: the last one, or a consumer that the client made anew begins too early.
            self.check_counted(found, info.published)?;
            return Ok(());
        }
        if found > expected {
            let gap = HistoryError::Gap { from: expected, to: found - 1 };
            return Err(if self.is_fresh { gap.into() } else { SourceError::Lost { expected, found } });
        }
        let schema = message.headers.as_ref().and_then(|headers| headers.get(SCHEMA_HEADER)).map(HeaderValue::as_str);
        let body = message.payload.as_ref();
        fold.add(recent, &mut batch.deltas, Message { sequence: found, logged_at: info.published, schema, body });
        self.note_trace(message);
        batch.last_sequence = found;
        batch.last_logged_at = Some(as_stored(info.published));
        batch.envelopes += 1;
        batch.pending = info.pending;
        self.expected += 1;
        self.is_fresh = false;
        Ok(())
    }

    /// The span of the last batch, from now on: in the trace of its first envelope that has one, with links to others.
    pub(crate) fn span(&self, partition: Partition) -> Option<Span> {
        Span::following(format!("commit {}", partition.subject()), SpanKind::Consumer, &self.traces)
    }

    fn note_trace(&mut self, message: &jetstream::Message) {
        if !traces::is_on() || self.traces.len() >= traces::CONTEXTS_MAX {
            return;
        }
        let header = message.headers.as_ref().and_then(|headers| headers.get(TRACE_HEADER));
        self.traces.extend(header.and_then(|header| traces::carried(header.as_str())));
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

fn log_error<E: std::error::Error + Send + Sync + 'static>(doing: &'static str) -> impl FnOnce(E) -> SourceError {
    move |source| SourceError::Log { doing, source: Box::new(source) }
}
