//! A partition's stream: whether it continues what was folded, and the way to read on.

use std::cmp::Ordering;
use std::ops::RangeInclusive;

use async_nats::jetstream;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use contract::Partition;

use super::connect::Log;
use super::error::{HistoryError, LogError, log_error};
use super::lookup::{self, StoredMessage};
use super::position::{Mismatch, Position};
use super::redactions::Redactions;

/// Times are compared as Postgres keeps them, in microseconds.
const STORED_PRECISION: TimeDelta = TimeDelta::microseconds(1);

/// What a stream says of itself.
pub struct Stream {
    pub(super) log: Log,
    pub(super) partition: Partition,
    pub(super) handle: jetstream::stream::Stream,
    /// When it was made.
    pub created: DateTime<Utc>,
}

impl Stream {
    /// Looks at a partition's stream.
    pub async fn find(log: &Log, partition: Partition) -> Result<Self, LogError> {
        let handle = log.get_stream(partition.stream()).await.map_err(log_error("looking at the stream"))?;
        let created = as_stored(handle.cached_info().created);
        Ok(Self { log: log.clone(), partition, handle, created })
    }

    /// What is missing before its first envelope, in order; nothing while it is whole, or empty. What was erased or
    /// restored is not missing: something stands for it.
    pub async fn missing(&self) -> Result<Vec<RangeInclusive<u64>>, LogError> {
        let first = self.first_sequence();
        if first == 1 {
            return Ok(Vec::new());
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
        Position { sequence, stream_created: self.created, logged_at: None, counted_until: None }
    }

    /// Checks that the stream continues a position, and answers its first envelope behind it, if there is one. What is
    /// between the two has been erased, and something stands for it.
    ///
    /// # Errors
    ///
    /// The history is another or incomplete, or the log is unavailable.
    pub async fn first_behind(
        &self,
        position: Position,
        amendments: &mut Redactions,
    ) -> Result<Option<StoredMessage>, LogError> {
        let (last, events, expected) = (self.last_sequence(), self.partition.stream(), position.sequence + 1);
        if !self.continues(position) {
            return Err(HistoryError::Recreated { known: position.stream_created, found: self.created }.into());
        }
        if last < position.sequence {
            let resume = counted_end(&self.log, self.partition, position).await?.unwrap_or(last);
            return Err(HistoryError::Rewound { last, checkpoint: position.sequence, resume }.into());
        }
        // Where a time is known: is the last envelope still the one that was folded?
        if position.sequence > 0
            && position.counted_until().is_some()
            && let Some(counted) = lookup::at(&self.log, &events, position.sequence).await?
        {
            check_counted(&self.log, self.partition, position, &counted).await?;
        }
        let first = lookup::first_from(&self.log, &events, expected).await?;
        if let Some(gap) = gap(amendments, expected, first.as_ref().map(|first| first.sequence), last).await? {
            return Err(gap.into());
        }
        if let Some(first) = &first {
            check_counted(&self.log, self.partition, position, first).await?;
        }
        Ok(first)
    }

    /// Whether a position is one in this history, as far as the stream itself tells.
    pub fn continues(&self, position: Position) -> bool {
        self.created == position.stream_created || self.may_continue(position)
    }

    /// Whether a stream of another date may be the one that was counted: the log's server dates a stream anew when it
    /// restores a backup. Whether what it holds is what was counted is another question.
    fn may_continue(&self, position: Position) -> bool {
        // Before the first envelope every stream is as good. And one that begins behind the position was trimmed: it has
        // nothing that could be compared, but one that was made anew begins at 1.
        let first = self.first_sequence();
        let has_nothing_to_compare = position.sequence == 0 || (first > 1 && first > position.sequence);
        has_nothing_to_compare || self.reaches_back_to(position)
    }

    /// Whether a stream holds what was counted, or was meant to. In a stream that was made anew everything is younger than
    /// what was counted. Taken for one, a restored stream would be counted a second time, once an operator acknowledged it.
    fn reaches_back_to(&self, position: Position) -> bool {
        let state = &self.handle.cached_info().state;
        let is_older = |counted| as_stored(state.first_timestamp) <= counted;
        let counted_until = position.counted_until();
        state.messages > 0 && state.first_sequence <= position.sequence && counted_until.is_some_and(is_older)
    }
}

/// The last sequence before all that is younger than what was counted, whatever came meanwhile; none where nothing is
/// younger, or where it is not known until when was counted.
async fn counted_end(log: &Log, partition: Partition, position: Position) -> Result<Option<u64>, LogError> {
    let Some(until) = position.counted_until() else { return Ok(None) };
    let first_new = lookup::first_since(log, &partition.stream(), until + STORED_PRECISION).await?;
    Ok(first_new.map(|first| first.sequence - 1))
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

/// Whether an envelope that the log has at a position is still the one that was counted, or one behind it is new.
///
/// # Errors
///
/// The history is another, or the log is unavailable.
pub(super) async fn check_counted(
    log: &Log,
    partition: Partition,
    position: Position,
    envelope: &StoredMessage,
) -> Result<(), LogError> {
    let (sequence, found) = (envelope.sequence, as_stored(envelope.logged_at));
    let checked = match sequence.cmp(&position.sequence) {
        Ordering::Less => Ok(()),
        Ordering::Equal => position.check_at(found),
        Ordering::Greater => position.check_behind(found),
    };
    let Err(mismatch) = checked else { return Ok(()) };
    // Where nothing is younger than what was counted, all that the log has was.
    let resume = match counted_end(log, partition, position).await? {
        Some(resume) => resume,
        None => Stream::find(log, partition).await?.last_sequence(),
    };
    Err(match mismatch {
        Mismatch::Replaced { known } => HistoryError::Replaced { sequence, known, found, resume },
        Mismatch::Shifted { until } => HistoryError::Shifted { sequence, found, until, resume },
    }
    .into())
}

/// Postgres keeps microseconds.
pub fn as_stored(time: DateTime<Utc>) -> DateTime<Utc> {
    time.trunc_subsecs(6)
}
