//! A partition's stream: whether it continues what was folded, and the way to read on.

use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, ReplayPolicy};
use chrono::{DateTime, Utc};
use contract::Partition;

use super::{HistoryError, Source, SourceError, as_stored, log_error};
use crate::amendments::Amendments;
use crate::checkpoint::{Checkpoint, Slice};

/// Bytes asked for at a time. At most one and a half times as much is on its way: 12 MiB a partition.
const PULL_BYTES_MAX: usize = 8 << 20;

/// Messages asked for at a time, for small ones.
const PULL_MESSAGES_MAX: usize = 4_000;

/// A question to the log is answered, or asked again, within this time.
const PULL_EXPIRES: Duration = Duration::from_secs(30);

/// Two of these without a sign of life, and the consumer is made anew: so long does the restart of a server delay reports.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// The server forgets a consumer that nobody has asked for so long.
const INACTIVE_THRESHOLD: Duration = Duration::from_mins(1);

/// What a stream says of itself.
pub struct Stream {
    log: jetstream::Context,
    partition: Partition,
    handle: jetstream::stream::Stream,
    /// When it was made.
    pub created: DateTime<Utc>,
}

impl Stream {
    /// Looks at a partition's stream.
    ///
    /// # Errors
    ///
    /// The log is away, or the stream does not exist.
    pub async fn find(log: &jetstream::Context, partition: Partition) -> Result<Self, SourceError> {
        let handle = log.get_stream(partition.stream()).await.map_err(log_error("looking at the stream"))?;
        let created = as_stored(handle.cached_info().created);
        Ok(Self { log: log.clone(), partition, handle, created })
    }

    /// The last sequence that is missing at its beginning; 0 while it is whole, or empty. What was erased is not missing:
    /// something stands for it.
    ///
    /// # Errors
    ///
    /// The log is away.
    pub async fn missing_until(&self) -> Result<u64, SourceError> {
        let first = self.first_sequence();
        if first == 1 {
            return Ok(0);
        }
        self.amendments().missing_before(first).await
    }

    /// The sequence that it begins with, or will begin with. Where trimming leaves nothing but what was erased before, the
    /// log's server says of the empty stream that it begins with something that is gone.
    fn first_sequence(&self) -> u64 {
        let state = &self.handle.cached_info().state;
        if state.messages == 0 { state.last_sequence + 1 } else { state.first_sequence }
    }

    /// What stands for envelopes of it that are gone on purpose.
    pub(crate) fn amendments(&self) -> Amendments {
        Amendments::of(self.log.clone(), self.partition)
    }

    /// The sequence that it ends with.
    pub fn last_sequence(&self) -> u64 {
        self.handle.cached_info().state.last_sequence
    }

    /// Checks that the stream continues what the checkpoint stands for, and begins to read behind it.
    ///
    /// # Errors
    ///
    /// The history is another or incomplete, or the log is away.
    pub async fn open(&self, slice: Slice, checkpoint: Checkpoint) -> Result<Source, SourceError> {
        let state = &self.handle.cached_info().state;
        // Where the last envelope's time is known, it is read once more: is it still the one that was folded?
        let start_sequence = checkpoint.sequence + u64::from(checkpoint.logged_at.is_none());
        self.check_history(state.last_sequence, checkpoint)?;
        let mut amendments = self.amendments();
        let expected = checkpoint.sequence + 1;
        let first = self.first_sequence();
        if first > expected && !amendments.have(expected).await? {
            let to = amendments.gap_end(expected, first - 1);
            return Err(HistoryError::Gap { from: expected, to }.into());
        }
        let consumer = self
            .handle
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
            stream: self.handle.clone(),
            amendments,
            held: None,
            silent_until: 0,
            seen_missing: 0,
            checkpoint,
            expected,
            is_fresh: true,
            fault: None,
            traces: vec![],
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
        let state = &self.handle.cached_info().state;
        let is_older = |counted| as_stored(state.first_timestamp) <= counted;
        state.messages > 0 && state.first_sequence <= checkpoint.sequence && checkpoint.logged_at.is_some_and(is_older)
    }
}
