//! State of all partitions of one generation, shared by the tasks that follow them and those that report on them.

mod lag;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use contract::Partition;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::lease;
use crate::metrics::{self, Condition};
use crate::read_models::checkpoint::Checkpoint;
use crate::read_models::commit::Batch;
use crate::read_models::generation::GenerationId;
use crate::read_models::slice::Slice;
use crate::read_models::write::Capped;
use event_log::streams::StreamEnd;
use lag::{CommittedBatch, LagTracker};

/// State of each partition, and which of them this projector owns.
#[derive(Debug, Clone)]
pub(crate) struct Partitions {
    generation: GenerationId,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    partitions: BTreeMap<Partition, PartitionState>,
    /// Progress of the partitions that this projector owns.
    progress: BTreeMap<Partition, LagTracker>,
    /// Owned, or about to be; cancelled where they are to be given back.
    owned: BTreeMap<Partition, CancellationToken>,
    /// Maximum of owned partitions.
    share: usize,
    /// Number of projectors that share the partitions.
    projectors: usize,
}

/// State of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PartitionState {
    /// The projector commits the partition's batches as they come.
    Following,
    /// Another projector commits its batches.
    Standby,
    /// The log or the database is unavailable.
    Waiting(String),
    /// An operator has to act.
    Halted(String),
}

impl Partitions {
    /// No partition is known yet.
    pub(crate) fn of(generation: GenerationId) -> Self {
        Self { generation, state: Arc::default() }
    }

    /// The generation of the partitions.
    pub(crate) fn generation(&self) -> GenerationId {
        self.generation
    }

    /// A place for one more partition, unless the share is reached. The token asks to give it back.
    pub(crate) fn claim(&self, partition: Partition) -> Option<CancellationToken> {
        let mut state = self.lock();
        if state.owned.len() >= state.share {
            return None;
        }
        let token = CancellationToken::new();
        state.owned.insert(partition, token.clone());
        Some(token)
    }

    /// Makes place for another partition.
    pub(crate) fn unclaim(&self, partition: Partition) {
        self.lock().owned.remove(&partition);
    }

    /// Among how many projectors the partitions are shared.
    pub(crate) fn projectors(&self) -> usize {
        self.lock().projectors
    }

    /// Shares the partitions among projectors, and asks for those back that are too many here.
    pub(crate) fn share(&self, partitions: usize, projectors: usize) {
        let mut state = self.lock();
        let share = lease::fair_share(partitions, projectors);
        (state.share, state.projectors) = (share, projectors);
        let owned: Vec<_> = state.owned.keys().copied().collect();
        for partition in lease::surplus(owned.into_iter(), share) {
            state.owned[&partition].cancel();
        }
    }

    /// Notes how a partition is; answers whether that is new.
    pub(crate) fn set(&self, partition: Partition, state: PartitionState) -> bool {
        let mut known = self.lock();
        if state == PartitionState::Standby {
            known.progress.remove(&partition);
        }
        known.partitions.insert(partition, state.clone()) != Some(state)
    }

    /// Notes that a partition is taken at its checkpoint.
    pub(crate) fn taken(&self, partition: Partition, checkpoint: Checkpoint) {
        let labels = self.slice(partition).labels();
        metrics::begun(&labels);
        metrics::capped(labels, Capped::default().by_kind());
        let mut state = self.lock();
        let before = state.progress.remove(&partition);
        state.progress.insert(partition, LagTracker::resumed(before, checkpoint));
    }

    /// Notes that a batch was committed.
    pub(crate) fn committed(&self, partition: Partition, batch: &Batch) {
        metrics::committed(&self.slice(partition).labels(), batch.measured());
        let done = CommittedBatch {
            sequence: batch.last_sequence,
            logged_at: batch.last_logged_at,
            events: batch.events(),
            envelopes: batch.envelopes,
        };
        self.note(partition, |progress| progress.committed(done, Instant::now()));
    }

    /// Notes whether a partition is not to be folded now, whatever there is.
    pub(crate) fn hold(&self, partition: Partition, is_held: bool) {
        self.note(partition, |progress| progress.hold(is_held, Instant::now()));
    }

    /// Notes the end of the log.
    pub(crate) fn seen(&self, ends: &[StreamEnd], now: Instant) {
        for end in ends {
            self.note(end.partition, |progress| progress.seen(end.sequence, now));
        }
    }

    fn slice(&self, partition: Partition) -> Slice {
        Slice { generation: self.generation, partition }
    }

    fn note(&self, partition: Partition, note: impl FnOnce(&mut LagTracker)) {
        if let Some(progress) = self.lock().progress.get_mut(&partition) {
            note(progress);
        }
    }

    /// Partitions that are followed here.
    pub(crate) fn followed(&self) -> Vec<Partition> {
        let state = self.lock();
        let is_followed = |(_, known): &(&Partition, &PartitionState)| **known == PartitionState::Following;
        state.partitions.iter().filter(is_followed).map(|(partition, _)| *partition).collect()
    }

    /// Whether each of those has at most so many envelopes before it. False before the log was looked at.
    pub(crate) fn keep_up(&self, envelopes_max: u64) -> bool {
        let followed = self.followed();
        let state = self.lock();
        let left = |partition| state.progress.get(partition).and_then(LagTracker::left);
        followed.iter().all(|partition| left(partition).is_some_and(|left| left <= envelopes_max))
    }

    /// Shows how each partition is. `time` is the time of day.
    pub(crate) fn sample(&self, now: Instant, time: DateTime<Utc>) {
        let state = self.lock();
        for (&partition, known) in &state.partitions {
            let progress = state.progress.get(&partition);
            let is_halted = matches!(known, PartitionState::Halted(_));
            let lag = progress.map(|progress| progress.lag(now, time)).unwrap_or_default();
            let condition = Condition {
                is_owned: *known != PartitionState::Standby,
                is_halted,
                lag_envelopes: lag.envelopes,
                lag_events: lag.events,
                lag: lag.age,
                // One that stands still for a reason that is known does not have to be found out.
                stalled_for: progress
                    .filter(|_| !is_halted)
                    .map(|progress| progress.stalled_for(now))
                    .unwrap_or_default(),
            };
            metrics::condition(&self.slice(partition).labels(), condition);
        }
    }

    /// The first partition that is not followed because of a fault, and the fault; or that does not get on for longer than
    /// `stall_max`.
    pub(crate) fn readiness(&self, stall_max: Duration) -> Result<(), String> {
        let state = self.lock();
        if state.partitions.is_empty() {
            return Err("no partition has been found in the log yet".to_owned());
        }
        for (partition, known) in &state.partitions {
            match known {
                PartitionState::Following | PartitionState::Standby => {
                    state
                        .progress
                        .get(partition)
                        .map_or(Ok(()), |progress| gets_on(*partition, progress, stall_max))?;
                }
                // The reason names hosts; the log has it.
                PartitionState::Waiting(_) => {
                    return Err(format!("partition {partition} waits for the log or the database"));
                }
                PartitionState::Halted(reason) => return Err(format!("partition {partition} stands still: {reason}")),
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether something was committed lately, where there is something to fold.
fn gets_on(partition: Partition, progress: &LagTracker, stall_max: Duration) -> Result<(), String> {
    let stalled_s = progress.stalled_for(Instant::now()).as_secs();
    if stalled_s < stall_max.as_secs() {
        return Ok(());
    }
    let left = progress.left().unwrap_or(0);
    Err(format!(
        "partition {partition} does not get on: the log has {left} envelopes for it, and nothing was committed for \
         {stalled_s} seconds"
    ))
}

#[cfg(test)]
pub(crate) mod tests;
