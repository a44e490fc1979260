//! The version of the read models that a report was read from.
//!
//! Rows of a generation change only together with one of its checkpoints, or with the epoch of one. So a report can change only
//! when these do.

use chrono::NaiveDate;

/// The version of the read models at one moment, and the day of that moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SnapshotVersion {
    pub(crate) generation_id: i32,
    /// A hash of the checkpoints of all partitions: see the view `active_generation`.
    pub(crate) checkpoints: String,
    /// The UTC day by the clock of Postgres.
    pub(crate) today: NaiveDate,
}
