//! What becomes of a partition that does not get on: batches become narrower, what Postgres refuses in them is parked, and
//! what is in the way is told.

use std::time::Duration;

use tokio::time::timeout;

use super::error::PartitionError;
use super::{PartitionWorker, Position, Term};
use crate::read_models::checkpoint::Checkpoint;
use crate::read_models::commit::Batch;
use crate::read_models::commit_lines::commit_lines;
use crate::read_models::error::CommitError;
use crate::worker::batch::Batcher;
use crate::worker::lease;
use crate::worker::pacing::batch_size::BatchSize;
use crate::worker::partitions::PartitionState;

/// For finding out who owns a partition, after a fault.
const OWNER_TIMEOUT: Duration = Duration::from_secs(2);

impl PartitionWorker {
    /// Notes what became of a batch, for those that follow it.
    pub(super) fn record_outcome(
        &self,
        width: &BatchSize,
        batch: &Batch,
        committed: &Result<Checkpoint, CommitError>,
        took: Duration,
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
        batcher: &mut Batcher,
        position: &mut Position,
        term: &mut Term,
    ) -> PartitionError {
        let lines = match batcher.next_lines(&self.fold, &mut position.window).await {
            Ok(lines) => lines,
            Err(fault) => return fault.into(),
        };
        match commit_lines(&self.context.pool, self.slice, position.checkpoint, lines).await {
            Ok(isolated) => {
                self.isolation.parked();
                term.committed = true;
                self.partitions.committed(self.slice.partition, &isolated.batch);
                PartitionError::Parked
            }
            Err(err) => err.into(),
        }
    }

    /// Finds out whether the reason behind a fault is that another projector has the partition now.
    pub(super) async fn explain(&self, err: PartitionError, term: Term) -> PartitionError {
        let Some(ours) = term.epoch else { return err };
        if matches!(err, PartitionError::Passed { .. }) {
            return err;
        }
        match timeout(OWNER_TIMEOUT, lease::epoch(&self.context.pool, self.slice)).await {
            Ok(Ok(now)) if now != ours => PartitionError::Fenced { ours, now },
            _ => err,
        }
    }

    /// Logs a stumble once, where it is dealt with.
    pub(super) fn report(&self, err: PartitionError) {
        let partition = self.slice.partition;
        let is_lasting = err.is_lasting();
        let is_taken = matches!(err, PartitionError::Standby | PartitionError::Fenced { .. });
        let is_isolating = err.is_isolating();
        let reason = format!("{:#}", anyhow::Error::new(err));
        let number = partition.number();
        if is_lasting {
            if self.partitions.set(partition, PartitionState::Halted(reason.clone())) {
                tracing::error!(partition = number, reason, "The partition is halted until an operator acts");
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
