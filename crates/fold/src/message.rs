//! Messages of the log, as the fold is given them.

use chrono::{DateTime, Utc};

/// Line number of a parked envelope: all of it.
pub const WHOLE_ENVELOPE: i32 = -1;

/// One message of the log.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Its sequence in the partition's stream.
    pub sequence: u64,
    /// When the log stored it.
    pub logged_at: DateTime<Utc>,
    /// When ingest sent it, by its own clock, if it says so.
    pub sent_at: Option<DateTime<Utc>>,
    /// Its schema header, if it has one.
    pub schema: Option<&'a str>,
    /// Its body.
    pub body: &'a [u8],
}
