//! The traits of all reports: each is read with one connection, from one version of the read models.

use sqlx::PgConnection;

use crate::reports::error::ReportError;
use crate::reports::snapshot_version::SnapshotVersion;

/// A query that reads with one connection.
pub(crate) trait Query {
    type Answer;

    /// Reads the answer. After an error the connection may have rows left to read.
    async fn read(&self, db: &mut PgConnection) -> Result<Self::Answer, ReportError>;
}

/// A report, and the version of the read models that it was read from.
pub(crate) struct Versioned<R> {
    pub(crate) version: SnapshotVersion,
    pub(crate) report: R,
}

/// Reads the version without any report.
pub(crate) struct CurrentVersion;

impl Query for CurrentVersion {
    type Answer = SnapshotVersion;

    async fn read(&self, db: &mut PgConnection) -> Result<SnapshotVersion, ReportError> {
        let version = sqlx::query_file_as!(SnapshotVersion, "src/reports/sql/version.sql").fetch_optional(db).await?;
        version.ok_or(ReportError::NoGeneration)
    }
}
