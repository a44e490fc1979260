//! What becomes of a partition that does not get on: batches become narrower, what Postgres refuses in them is parked, and
//! what is in the way is told.

use std::time::Duration;

use fold::RecentIds;
use tokio::time::timeout;

use super::error::Stumble;
use super::{Projection, Tenure};
use crate::read_models::checkpoint::Checkpoint;
use crate::read_models::commit::Batch;
use crate::read_models::commit_lines::commit_lines;
use crate::read_models::error::CommitError;
use crate::worker::batch::Batcher;
use crate::worker::lease;
use crate::worker::pacing::batch_size::Width;
use crate::worker::partitions::PartitionState;

/// For finding out who owns a partition, after a fault.
const OWNER_TIMEOUT: Duration = Duration::from_secs(2);

impl Projection {
    /// Notes what became of a batch, for those that follow it.
    pub(super) fn note_committed(
        &self,
        width: &Width,
        batch: &Batch,
        (committed, took): (&Result<Checkpoint, CommitError>, Duration),
    ) {
        match committed {
            Ok(_) => {
                self.isolation.committed(batch.last_sequence);
                width.committed(batch.deltas.bytes(), Some(took));
            }
            Err(CommitError::Refused(_)) => self.isolation.refused(batch.last_sequence),
            Err(CommitError::Moved(_) | CommitError::Held(_)) => {}
            Err(_) => width.committed(batch.deltas.bytes(), None),
        }
    }

    /// Adds the envelope behind the checkpoint without what Postgres refuses of it, which is parked. What is remembered of
    /// the partition is to be read anew then.
    pub(super) async fn park_refused(
        &self,
        source: &mut Batcher,
        recent: &mut RecentIds,
        from: Checkpoint,
        tenure: &mut Tenure,
    ) -> Stumble {
        let lines = match source.next_lines(&self.parts.fold, recent).await {
            Ok(lines) => lines,
            Err(fault) => return fault.into(),
        };
        match commit_lines(&self.parts.pool, self.slice, from, lines).await {
            Ok(isolated) => {
                self.isolation.parked();
                tenure.committed = true;
                self.partitions.committed(self.slice.partition, &isolated.batch);
                Stumble::Parked
            }
            Err(err) => err.into(),
        }
    }

    /// Finds out whether the reason behind a fault is that another projector has the partition now.
    pub(super) async fn explained(&self, stumble: Stumble, tenure: Tenure) -> Stumble {
        let Some(ours) = tenure.epoch else { return stumble };
        if matches!(stumble, Stumble::Passed { .. }) {
            return stumble;
        }
        match timeout(OWNER_TIMEOUT, lease::epoch(&self.parts.pool, self.slice)).await {
            Ok(Ok(now)) if now != ours => Stumble::Fenced { ours, now },
            _ => stumble,
        }
    }

    /// Logs a stumble once, where it is dealt with.
    pub(super) fn tell(&self, stumble: Stumble) {
        let partition = self.slice.partition;
        let is_lasting = stumble.is_lasting();
        let is_taken = matches!(stumble, Stumble::Standby | Stumble::Fenced { .. });
        let is_isolating = stumble.is_isolating();
        let reason = format!("{:#}", anyhow::Error::new(stumble));
        let number = partition.number();
        if is_lasting {
            if self.partitions.set(partition, PartitionState::Halted(reason.clone())) {
                tracing::error!(partition = number, reason, "The partition stands still until somebody helps");
            }
        } else if is_taken {
            if self.partitions.set(partition, PartitionState::Standby) {
                tracing::info!(partition = number, reason, "Standing by");
            }
        } else if is_isolating {
            tracing::warn!(partition = number, reason, "Looking for an event that Postgres refuses, to park it");
        } else if self.partitions.set(partition, PartitionState::Waiting(reason.clone())) {
            tracing::warn!(partition = number, reason, "Opening the partition again at its checkpoint");
        }
    }
}
