//! Why a partition's way is left: it begins again at the checkpoint, or stands still until somebody does something.

use crate::log::error::SourceError;
use crate::read_models::dedup_store::RecentError;
use crate::read_models::error::CommitError;

/// Why the way was left.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stumble {
    #[error("another projector owns the partition")]
    Standby,
    #[error("another projector took the partition over: it is now at epoch {now}, ours was {ours}")]
    Fenced { ours: i64, now: i64 },
    #[error("passing sequences {from} to {to}, whose loss was acknowledged before")]
    Passed { from: u64, to: u64 },
    #[error("an event was parked that Postgres refuses")]
    Parked,
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error(transparent)]
    Recent(#[from] RecentError),
    #[error("loading the checkpoint")]
    Checkpoint(#[source] sqlx::Error),
}

impl Stumble {
    /// It stays until somebody does something.
    pub(super) fn is_lasting(&self) -> bool {
        matches!(
            self,
            Self::Source(SourceError::History(_))
                | Self::Commit(CommitError::Sketch(_) | CommitError::TopPaths(_) | CommitError::Unkept(_))
                | Self::Recent(RecentError::Corrupt(_))
        )
    }

    /// It is a step on the way to an event that Postgres refuses: the next one is taken at once.
    pub(super) fn is_isolating(&self) -> bool {
        matches!(self, Self::Parked | Self::Commit(CommitError::Refused(_)))
    }
}
