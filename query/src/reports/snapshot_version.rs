//! Which state of the read models a report was read from.
//!
//! All rows of a generation change together with one of its checkpoints, or with the epoch of one, so a report can be
//! another one only when these are.

use chrono::NaiveDate;

/// The state of the read models in one moment, and the day it was then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SnapshotVersion {
    pub(crate) generation_id: i32,
    /// What the generation contains of all partitions, in one word: see the view `active_generation`.
    pub(crate) checkpoints: String,
    /// The UTC day by the clock of Postgres.
    pub(crate) today: NaiveDate,
}
