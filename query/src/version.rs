//! Which state of the read models a report was read from.
//!
//! All rows of a generation change together with one of its checkpoints, or with the epoch of one, so a report can be
//! another one only when these are.

use chrono::NaiveDate;
use sqlx::PgConnection;

use crate::report_error::ReportError;

/// The state of the read models in one moment, and the day it was then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) generation_id: i32,
    /// What the generation contains of all partitions, in one word: see the view `active_generation`.
    pub(crate) checkpoints: String,
    /// The UTC day by the clock of Postgres.
    pub(crate) today: NaiveDate,
}

impl Version {
    /// Reads it without any report.
    ///
    /// # Errors
    ///
    /// No generation is active, or Postgres cannot say.
    pub(crate) async fn read(db: &mut PgConnection) -> Result<Self, ReportError> {
        let version = sqlx::query_file_as!(Self, "src/version.sql").fetch_optional(db).await?;
        version.ok_or(ReportError::NoGeneration)
    }
}
