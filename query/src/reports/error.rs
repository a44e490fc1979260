//! Errors of reading a report, and the check of stored counts.

use contract::Receipt;
use contract::sketch::{CorruptSketch, KeysDiffer, NotAdded};
use contract::top_paths::CorruptTopPaths;

use crate::db::retry;

/// Why a report cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportError {
    /// No generation is active yet. Try again later.
    #[error("no generation of the read models is active yet")]
    NoGeneration,
    /// The active generation was built by a fold that counts no referrers. Try again after the rebuild.
    #[error("the active generation does not count referrers")]
    NoReferrers,
    /// Postgres is away, or all connections are busy. Try again later.
    #[error("no connection to the database was free in time")]
    NoConnection,
    /// There is too much to read, or Postgres is busy. Try again later, or for fewer days.
    #[error("the report took too long")]
    TimedOut,
    /// Postgres refused the statement; it may be starting or stopping. Try again later.
    #[error("the read models cannot be read")]
    Database(#[source] sqlx::Error),
    /// The recovery of a standby cancelled the report. Try again.
    #[error("the recovery of the standby cancelled the report")]
    Conflict(#[source] sqlx::Error),
    /// A stored sketch is damaged. Only a rebuild helps.
    #[error("the stored users are damaged and have to be rebuilt from the log")]
    CorruptSketch(#[from] CorruptSketch),
    /// A stored list of top paths is damaged. Only a rebuild helps.
    #[error("the stored top paths are damaged and have to be rebuilt from the log")]
    CorruptTopPaths(#[from] CorruptTopPaths),
    /// A generation has sketches of several keys. Only a rebuild helps.
    #[error("the stored users were made under different keys and have to be rebuilt from the log")]
    KeysDiffer(#[from] KeysDiffer),
    /// A stored count is negative. Only a rebuild helps.
    #[error("a stored count is negative; the read models have to be rebuilt from the log")]
    Negative,
    /// A statement returned a row that has neither a version, nor views, nor users. Trying again does not help.
    #[error("a row of a report has no known shape")]
    UnexpectedRow,
    /// The event has not arrived in the read models in time. Try again later.
    #[error("the read models do not contain the event of receipt {0} yet")]
    NotContained(Receipt),
    /// The log has no such event. Trying again does not help.
    #[error("the log has no event of receipt {0}")]
    NoSuchEvent(Receipt),
    /// The limit of reports that wait for events is reached. Try again later.
    #[error("too many reports wait for their events")]
    TooManyWaiting,
    /// The client has its share of reports that wait for events. Try again later.
    #[error("too many reports of the client wait for their events")]
    TooManyWaitingOfClient,
    /// The limit of reports in progress is reached. Try again later.
    #[error("too many reports are in progress")]
    TooManyReports,
    /// The client has its share of reports in progress. Try again later.
    #[error("too many reports of the client are in progress")]
    TooManyReportsOfClient,
}

impl ReportError {
    /// Whether stored data is damaged, so that only a rebuild helps.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::CorruptSketch(_)
                | Self::CorruptTopPaths(_)
                | Self::KeysDiffer(_)
                | Self::Negative
                | Self::UnexpectedRow
        )
    }

    /// The conflict with the recovery of a standby, if that is why there is no report.
    pub(crate) fn conflict(&self) -> Option<&sqlx::Error> {
        if let Self::Conflict(err) = self { Some(err) } else { None }
    }
}

impl From<NotAdded> for ReportError {
    fn from(err: NotAdded) -> Self {
        match err {
            NotAdded::Corrupt(err) => Self::CorruptSketch(err),
            NotAdded::KeysDiffer(err) => Self::KeysDiffer(err),
        }
    }
}

impl From<sqlx::Error> for ReportError {
    fn from(err: sqlx::Error) -> Self {
        /// The code of a statement that ran longer than `statement_timeout`.
        const QUERY_CANCELED: &str = "57014";
        match err {
            sqlx::Error::PoolTimedOut => Self::NoConnection,
            sqlx::Error::Database(err) if err.code().as_deref() == Some(QUERY_CANCELED) => Self::TimedOut,
            err if retry::is_conflict(&err) => Self::Conflict(err),
            err => Self::Database(err),
        }
    }
}

/// Checks a stored number that cannot be negative.
pub(crate) fn count(stored: i64) -> Result<u64, ReportError> {
    u64::try_from(stored).map_err(|_| ReportError::Negative)
}
