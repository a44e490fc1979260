//! Errors of reading a report, and the check of stored counts.

use contract::Receipt;
use contract::sketch::{CorruptSketch, KeysDiffer, NotAdded};
use contract::top_paths::CorruptTopPaths;

use crate::db::retry;

/// Why there is no report now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportError {
    /// Nothing has been projected yet: try again later.
    #[error("no generation of the read models is active yet")]
    NoGeneration,
    /// The active generation was built by a fold that counts no referrers: try again after the rebuild.
    #[error("the active generation does not count referrers")]
    NoReferrers,
    /// Postgres is away, or all connections are busy: try again later.
    #[error("there is no connection to the database in time")]
    NoConnection,
    /// There is too much to read, or something in Postgres is in the way: try again later, or for less.
    #[error("the report took too long")]
    TimedOut,
    /// Postgres refused. It may be starting or stopping: try again later.
    #[error("the read models cannot be read")]
    Database(#[source] sqlx::Error),
    /// A standby had to choose between the report and what its primary did next: try again.
    #[error("the database ended the report in favour of somebody else")]
    Conflict(#[source] sqlx::Error),
    /// What is stored cannot be: trying again helps only after a rebuild.
    #[error("the stored users are damaged and have to be rebuilt from the log")]
    CorruptSketch(#[from] CorruptSketch),
    /// The same.
    #[error("the stored top paths are damaged and have to be rebuilt from the log")]
    CorruptTopPaths(#[from] CorruptTopPaths),
    /// One generation has sketches of several keys: trying again helps only after a rebuild.
    #[error("the stored users were made under different keys and have to be rebuilt from the log")]
    KeysDiffer(#[from] KeysDiffer),
    /// What is stored cannot be: trying again helps only after a rebuild.
    #[error("a stored count is negative; the read models have to be rebuilt from the log")]
    Negative,
    /// A statement returned a row that is neither of the version, nor of views, nor of users: trying again is in vain.
    #[error("a row of a report has no known shape")]
    UnexpectedRow,
    /// The event has not arrived in the read models in time: try again later.
    #[error("the read models do not contain the event of receipt {0} yet")]
    NotContained(Receipt),
    /// The log has no such event: trying again is in vain.
    #[error("the log has no event of receipt {0}")]
    NoSuchEvent(Receipt),
    /// Too many wait for events to arrive in the read models: try again later.
    #[error("no further report may wait for an event")]
    TooManyWaiting,
    /// Too many of these are one client's: try again later.
    #[error("no further report of the client may wait for an event")]
    TooManyWaitingOfClient,
    /// Too many reports are asked for at once: try again later.
    #[error("no further report may be begun")]
    TooManyReports,
    /// Too many of these are one client's: try again later.
    #[error("no further report of the client may be begun")]
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
        /// What Postgres says when `statement_timeout` is over.
        const QUERY_CANCELED: &str = "57014";
        match err {
            sqlx::Error::PoolTimedOut => Self::NoConnection,
            sqlx::Error::Database(err) if err.code().as_deref() == Some(QUERY_CANCELED) => Self::TimedOut,
            err if retry::is_conflict(&err) => Self::Conflict(err),
            err => Self::Database(err),
        }
    }
}

/// A number from the database that cannot be negative.
pub(crate) fn count(stored: i64) -> Result<u64, ReportError> {
    u64::try_from(stored).map_err(|_| ReportError::Negative)
}
