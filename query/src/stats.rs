//! A report, read in one snapshot of the active generation.
//!
//! One statement a report, so one round trip, wherever that is enough; with referrers or a comparison, or where lists of top
//! paths do not decide, one transaction. Nothing is cached: a report is as fresh as the read models.

use chrono::NaiveDate;
use contract::Receipt;
use contract::sketch::{CorruptSketch, KeysDiffer, NotAdded};
use contract::top_paths::CorruptTopPaths;
use serde::Serialize;
use utoipa::ToSchema;

use crate::conflicts;

/// The statements, and what their rows add up to.
mod reading;

/// Those without sketches.
mod numbers;

/// Those of months that are over.
mod months;

/// The first paths, as lists of top paths tell them.
mod lists;

/// The same, where these do not.
mod paths;

/// Several statements that see one moment.
mod transaction;

/// Where the visits came from.
mod referrers;

/// The period before.
mod comparison;

/// All of it, in one moment.
mod snapshot;

/// How far the generation of a report is folded.
mod position;

/// What a report says about itself.
mod meta;

use comparison::{Changes, Previous};
pub(crate) use meta::{Meta, UsersError};
pub(crate) use referrers::Referrers;
pub(crate) use snapshot::Snapshot;

/// A report.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Stats {
    /// Whose traffic it is.
    #[schema(example = "site-abc-123")]
    site_id: String,
    /// The UTC day, if one was asked for by `date`.
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<NaiveDate>,
    /// Events of the type.
    pub(crate) total_views: u64,
    /// Different users among them: exact to a few thousand, then with a standard error of 0.81 %.
    pub(crate) unique_users: u64,
    /// The paths with the most of them; equal ones in byte order.
    pub(crate) top_paths: Vec<PathViews>,
    /// Where they came from, if that was asked for by `include`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) referrers: Option<Referrers>,
    /// The period before, if that was asked for by `compare`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) previous: Option<Previous>,
    /// How the numbers have changed since then.
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<Changes>,
    /// What the report contains and how exact it is, if that was asked for by `meta`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) meta: Option<Meta>,
}

/// A path and how often it was viewed.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct PathViews {
    /// Without query and fragment. `(other)` is no page: all paths beyond the first 100,000 of a day, or 1,000,000 of all time.
    pub(crate) path: String,
    /// Events of the type at this path.
    pub(crate) views: u64,
}

/// Why there is no report now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StatsError {
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

impl From<NotAdded> for StatsError {
    fn from(err: NotAdded) -> Self {
        match err {
            NotAdded::Corrupt(err) => Self::CorruptSketch(err),
            NotAdded::KeysDiffer(err) => Self::KeysDiffer(err),
        }
    }
}

impl From<sqlx::Error> for StatsError {
    fn from(err: sqlx::Error) -> Self {
        /// What Postgres says when `statement_timeout` is over.
        const QUERY_CANCELED: &str = "57014";
        match err {
            sqlx::Error::PoolTimedOut => Self::NoConnection,
            sqlx::Error::Database(err) if err.code().as_deref() == Some(QUERY_CANCELED) => Self::TimedOut,
            err if conflicts::is_conflict(&err) => Self::Conflict(err),
            err => Self::Database(err),
        }
    }
}

/// A number from the database that cannot be negative.
pub(crate) fn count(stored: i64) -> Result<u64, StatsError> {
    u64::try_from(stored).map_err(|_| StatsError::Negative)
}
