//! A report, read in one snapshot of the active generation.
//!
//! One statement a report, so one round trip; with referrers, one transaction. Nothing is cached: a report is as fresh
//! as the read models.

use std::time::Duration;

use chrono::NaiveDate;
use contract::sketch::{CorruptSketch, KeysDiffer};
use serde::Serialize;
use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres};
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;

use crate::request::{Include, Request};
use referrers::Referrers;

/// The statements, and what their rows add up to.
mod reading;

/// Where the visits came from.
mod referrers;

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
    total_views: u64,
    /// Different users among them: exact to a few thousand, then with a standard error of 0.81 %.
    unique_users: u64,
    /// The paths with the most of them; equal ones in byte order.
    top_paths: Vec<PathViews>,
    /// Where they came from, if that was asked for by `include`.
    #[serde(skip_serializing_if = "Option::is_none")]
    referrers: Option<Referrers>,
}

/// A path and how often it was viewed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PathViews {
    /// Without query and fragment.
    path: String,
    /// Events of the type at this path.
    views: u64,
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
    /// What is stored cannot be: trying again helps only after a rebuild.
    #[error("the stored users are damaged and have to be rebuilt from the log")]
    CorruptSketch(#[from] CorruptSketch),
    /// One generation has sketches of several keys: trying again helps only after a rebuild.
    #[error("the stored users were made under different keys and have to be rebuilt from the log")]
    KeysDiffer(#[from] KeysDiffer),
    /// What is stored cannot be: trying again helps only after a rebuild.
    #[error("a stored count is negative; the read models have to be rebuilt from the log")]
    Negative,
}

impl From<sqlx::Error> for StatsError {
    fn from(err: sqlx::Error) -> Self {
        /// What Postgres says when `statement_timeout` is over.
        const QUERY_CANCELED: &str = "57014";
        match err {
            sqlx::Error::PoolTimedOut => Self::NoConnection,
            sqlx::Error::Database(err) if err.code().as_deref() == Some(QUERY_CANCELED) => Self::TimedOut,
            err => Self::Database(err),
        }
    }
}

/// Reads a report within `timeout`, the wait for a connection included.
///
/// # Errors
///
/// See [`StatsError`]; nothing was changed by having tried.
pub(crate) async fn read(db: &PgPool, timeout: Duration, request: &Request) -> Result<Stats, StatsError> {
    let deadline = Instant::now() + timeout;
    let connection = timeout_at(deadline, db.acquire()).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
    let mut lease = Lease { connection, is_idle: false };
    let reading = async {
        match request.include {
            None => reading::read(&mut lease.connection, request).await,
            Some(Include::Referrers) => referrers::read(&mut lease.connection, request).await,
        }
    };
    let stats = timeout_at(deadline, reading).await.unwrap_or(Err(StatsError::TimedOut))?;
    lease.is_idle = true;
    Ok(stats)
}

/// A connection that is closed if it is given back in the middle of an answer, because time is over or the client has
/// left. The pool would read the rest first, and if Postgres hangs, wait for it forever.
struct Lease {
    connection: PoolConnection<Postgres>,
    is_idle: bool,
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.is_idle {
            self.connection.close_on_drop();
        }
    }
}
