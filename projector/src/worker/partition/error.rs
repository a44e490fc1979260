//! Why a partition is no longer followed: it is opened again at its checkpoint, or is halted until an operator acts.

use crate::read_models::dedup_store::DedupStoreError;
use crate::read_models::error::CommitError;
use event_log::error::LogError;

/// Reason for which a partition is no longer followed.
#[derive(Debug, thiserror::Error)]
pub(super) enum PartitionError {
    #[error("another projector owns the partition")]
    Standby,
    #[error("another projector took the partition over: it is now at epoch {now}, ours was {ours}")]
    Fenced { ours: i64, now: i64 },
    #[error("passing sequences {from} to {to}, whose loss was acknowledged before")]
    Passed { from: u64, to: u64 },
    #[error("an event was parked that Postgres refuses")]
    Parked,
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error(transparent)]
    DedupStore(#[from] DedupStoreError),
    #[error("reading or writing the state of the partition")]
    Checkpoint(#[source] sqlx::Error),
}

impl PartitionError {
    /// Whether it lasts until an operator acts.
    pub(super) fn is_lasting(&self) -> bool {
        matches!(
            self,
            Self::Log(LogError::History(_))
                | Self::Commit(CommitError::Sketch(_) | CommitError::TopPaths(_) | CommitError::Unkept(_))
                | Self::DedupStore(DedupStoreError::Corrupt(_))
        )
    }

    /// Whether it is a step on the way to an event that Postgres refuses: the next one is taken at once.
    pub(super) fn is_isolating(&self) -> bool {
        matches!(self, Self::Parked | Self::Commit(CommitError::Refused(_)))
    }
}
