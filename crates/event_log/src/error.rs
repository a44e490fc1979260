//! Errors of reading the log: those that pass by themselves, and those that an operator has to decide about.

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{GetStreamError, GetStreamErrorKind};
use chrono::{DateTime, Utc};

/// Error of reading the log. All but [`LogError::History`] pass: open the partition again at its checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The log is not the one that was folded, or not all of it.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The log is unavailable.
    #[error("{doing}")]
    Log {
        /// Attempted operation.
        doing: &'static str,
        /// Error of the client library.
        source: async_nats::Error,
    },
    /// The log has messages that do not come: they were lost on their way.
    #[error("sequence {expected} does not come although the stream ends at {last}")]
    Silent {
        /// Sequence behind the last envelope that was read.
        expected: u64,
        /// Last sequence of the stream.
        last: u64,
    },
    /// A message was lost on its way; it may still be in the log.
    #[error("sequence {expected} was expected, {found} came")]
    Lost {
        /// Sequence behind the last envelope that was read.
        expected: u64,
        /// Sequence that was delivered.
        found: u64,
    },
}

/// The log and the checkpoint do not belong together, or a piece of history is gone. The partition stops: going on
/// would skip events in silence, or count them twice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// Messages were deleted, purged, or dropped by age.
    #[error(
        "sequences {from} to {to} are gone from the stream: events in them were never counted. Restore the stream, or \
         acknowledge that they are lost"
    )]
    Gap {
        /// First missing sequence.
        from: u64,
        /// Last missing sequence.
        to: u64,
    },
    /// A backup was restored.
    #[error(
        "the stream ends at sequence {last}, but sequence {checkpoint} was counted: it was restored to an older state. \
         Restore a newer one, or acknowledge that what follows sequence {resume} is new"
    )]
    Rewound {
        /// Last sequence of the stream.
        last: u64,
        /// Sequence of the checkpoint.
        checkpoint: u64,
        /// Sequence behind which every envelope is younger than those counted.
        resume: u64,
    },
    /// A backup was restored, and new events were stored before the projector read it.
    #[error(
        "the log stored sequence {sequence} at {found}, what was counted under it at {known}: the stream was restored \
         to an older state and has grown since. Restore a newer one, or acknowledge that what follows sequence {resume} \
         is new"
    )]
    Replaced {
        /// Sequence of the checkpoint.
        sequence: u64,
        /// Time at which the counted envelope was stored.
        known: DateTime<Utc>,
        /// Time at which the envelope that is there now was stored.
        found: DateTime<Utc>,
        /// Sequence behind which every envelope is younger than those counted.
        resume: u64,
    },
    /// A backup was restored after an operator had decided about another state of the stream.
    #[error(
        "the log stored sequence {sequence} at {found}, but what was counted before the last decision about the stream \
         was stored until {until}: another state was restored since. Restore the one that was decided about, or \
         acknowledge that what follows sequence {resume} is new"
    )]
    Shifted {
        /// What should have been stored before that time, or after it.
        sequence: u64,
        /// Time at which the envelope was stored.
        found: DateTime<Utc>,
        /// Everything that was counted was stored at this time or before.
        until: DateTime<Utc>,
        /// Sequence behind which every envelope is younger than those counted.
        resume: u64,
    },
    /// The stream was deleted and made anew.
    #[error(
        "the stream was made at {found}, the read models are of one made at {known}: it was deleted and made anew. \
         Restore the old one, or acknowledge that what it holds is new"
    )]
    Recreated {
        /// Creation time of the stream to which the checkpoint belongs.
        known: DateTime<Utc>,
        /// Creation time of the stream that is there now.
        found: DateTime<Utc>,
    },
}

/// Error of the client library.
pub fn log_error<E: std::error::Error + Send + Sync + 'static>(doing: &'static str) -> impl FnOnce(E) -> LogError {
    move |source| LogError::Log { doing, source: Box::new(source) }
}

impl LogError {
    /// Whether the log is there, but has no such stream.
    pub fn is_missing_stream(&self) -> bool {
        let Self::Log { source, .. } = self else { return false };
        let err = source.downcast_ref::<GetStreamError>().map(GetStreamError::kind);
        matches!(err, Some(GetStreamErrorKind::JetStream(err)) if err.error_code() == ErrorCode::STREAM_NOT_FOUND)
    }
}

impl HistoryError {
    /// Where the checkpoint would go on if an operator acknowledged this.
    pub fn resume_at(&self) -> u64 {
        match self {
            Self::Gap { to, .. } => *to,
            Self::Rewound { resume, .. } | Self::Replaced { resume, .. } | Self::Shifted { resume, .. } => *resume,
            Self::Recreated { .. } => 0,
        }
    }
}
