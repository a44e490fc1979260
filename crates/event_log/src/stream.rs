//! A partition's stream: whether it continues what was folded, and the way to read on.

use async_nats::jetstream;
use chrono::{DateTime, SubsecRound, Utc};
use contract::Partition;

use super::connect::Log;
use super::error::{HistoryError, LogError, log_error};
use super::lookup::{self, StoredMessage};
use super::redactions::Redactions;

/// What a stream says of itself.
pub struct Stream {
    pub(super) log: Log,
    pub(super) partition: Partition,
    pub(super) handle: jetstream::stream::Stream,
    /// When it was made.
    pub created: DateTime<Utc>,
}

/// The last envelope that was read of a partition. A stream continues a position if it still holds that envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Sequence of the envelope; 0 before the first.
    pub sequence: u64,
    /// Creation time of the stream whose sequence it is.
    pub stream_created: DateTime<Utc>,
    /// Time at which the log stored the envelope, if that is known.
    pub logged_at: Option<DateTime<Utc>>,
}

impl Stream {
    /// Looks at a partition's stream.
    ///
    /// # Errors
    ///
    /// The log is away, or the stream does not exist.
    pub async fn find(log: &Log, partition: Partition) -> Result<Self, LogError> {
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
    pub async fn missing_until(&self) -> Result<u64, LogError> {
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
    pub fn amendments(&self) -> Redactions {
        Redactions::of(self.log.clone(), self.partition)
    }

    /// The sequence that it ends with.
    pub fn last_sequence(&self) -> u64 {
        self.handle.cached_info().state.last_sequence
    }

    /// A position in this very stream.
    pub fn position(&self, sequence: u64) -> Position {
        Position { sequence, stream_created: self.created, logged_at: None }
    }

    /// Checks that the stream continues a position, and answers its first envelope behind it, if there is one. What is
    /// between the two has been erased, and something stands for it.
    ///
    /// # Errors
    ///
    /// The history is another or incomplete, or the log is away.
    pub async fn first_behind(
        &self,
        position: Position,
        amendments: &mut Redactions,
    ) -> Result<Option<StoredMessage>, LogError> {
        let (last, events, expected) = (self.last_sequence(), self.partition.stream(), position.sequence + 1);
        self.check_history(last, position)?;
        // Where the last envelope's time is known: is it still the one that was folded?
        if position.logged_at.is_some()
            && let Some(counted) = lookup::at(&self.log, &events, position.sequence).await?
        {
            check_counted(position, counted.sequence, counted.logged_at)?;
        }
        let first = lookup::first_from(&self.log, &events, expected).await?;
        match gap(amendments, expected, first.as_ref().map(|first| first.sequence), last).await? {
            Some(gap) => Err(gap.into()),
            None => Ok(first),
        }
    }

    fn check_history(&self, last: u64, position: Position) -> Result<(), HistoryError> {
        if self.created != position.stream_created && !self.reaches_back_to(position) {
            return Err(HistoryError::Recreated { known: position.stream_created, found: self.created });
        }
        if last < position.sequence {
            return Err(HistoryError::Rewound { last, checkpoint: position.sequence });
        }
        Ok(())
    }

    /// Whether a stream of another date holds what was counted, or was meant to: the log's server dates a stream anew
    /// when it restores a backup. In a stream that was made anew everything is younger than what was counted. Taken for
    /// one, a restored stream would be counted a second time, once an operator acknowledged it.
    fn reaches_back_to(&self, position: Position) -> bool {
        let state = &self.handle.cached_info().state;
        let is_older = |counted| as_stored(state.first_timestamp) <= counted;
        state.messages > 0 && state.first_sequence <= position.sequence && position.logged_at.is_some_and(is_older)
    }
}

/// The gap that begins with an expected sequence, where the log has said that `first` is the first that it has from there
/// on, and where something was stored up to `last`. None where the log has it, or where something stands for it: the
/// log is asked before amendments are, because an erasure amends before it deletes.
pub(super) async fn gap(
    amendments: &mut Redactions,
    expected: u64,
    first: Option<u64>,
    last: u64,
) -> Result<Option<HistoryError>, LogError> {
    let end = first.map_or(last, |first| first - 1);
    if end < expected || amendments.have(expected).await? {
        return Ok(None);
    }
    Ok(Some(HistoryError::Gap { from: expected, to: amendments.gap_end(expected, end) }))
}

/// Whether an envelope is still the one at a position, where it has its sequence.
pub(super) fn check_counted(position: Position, sequence: u64, published: DateTime<Utc>) -> Result<(), HistoryError> {
    let found = as_stored(published);
    match position.logged_at {
        Some(known) if sequence == position.sequence && known != found => {
            Err(HistoryError::Replaced { sequence, known, found })
        }
        _ => Ok(()),
    }
}

/// Postgres keeps microseconds.
pub fn as_stored(time: DateTime<Utc>) -> DateTime<Utc> {
    time.trunc_subsecs(6)
}
