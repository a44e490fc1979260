//! Positions in the log.

use chrono::{DateTime, Utc};

/// The last envelope that was read of a partition. A stream continues a position if it still holds that envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// Sequence of the envelope; 0 before the first.
    pub(crate) sequence: u64,
    /// Creation time of the stream whose sequence it is.
    pub(crate) stream_created: DateTime<Utc>,
    /// Time at which the log stored the envelope, if that is known.
    pub(crate) logged_at: Option<DateTime<Utc>>,
}
