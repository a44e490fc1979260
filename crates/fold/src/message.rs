//! Messages of the log, as the fold is given them.

use chrono::{DateTime, Utc};

/// Line number of a parked envelope: all of it.
pub const WHOLE_ENVELOPE: i32 = -1;

/// One message of the log.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Sequence in the partition's stream.
    pub sequence: u64,
    /// When the log stored it.
    pub logged_at: DateTime<Utc>,
    /// When ingest sent it, by its own clock, if it says so.
    pub sent_at: Option<DateTime<Utc>>,
    /// Schema header, if there is one.
    pub schema: Option<&'a str>,
    /// Body of the message.
    pub body: &'a [u8],
}
