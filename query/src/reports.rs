//! Reports, read from the active generation with places and connections that clients share.

pub(crate) mod error;

pub(crate) mod query;

pub(crate) mod snapshot_version;

mod log_position;

mod read_after;

mod row_totals;

pub(crate) mod unique_users;

pub(crate) mod stats;

pub(crate) mod lists;

use std::sync::Arc;
use std::time::Duration;

use service::access::{Client, NoPlace, Place, Places};
use tokio::time::{Instant, sleep, timeout_at};

use crate::config::Config;
use crate::db::pool::ConnectionPool;
use crate::db::pooled::PooledConnection;
use crate::db::retry;
use crate::params::StatsRequest;
use crate::reports::error::ReportError;
use crate::reports::query::{CurrentVersion, Query, Versioned};
use crate::reports::read_after::{POLL_INTERVAL, ReadAfter};
use crate::reports::snapshot_version::SnapshotVersion;
use crate::reports::stats::Stats;

/// The means to read reports of all clients.
#[derive(Clone)]
pub(crate) struct SharedReports(Arc<Shared>);

struct Shared {
    db: ConnectionPool,
    /// The timeout of one report with all its waiting.
    timeout: Duration,
    /// The timeout of the wait for an event to arrive in the read models.
    after_timeout: Duration,
    read_after: ReadAfter,
    /// Places of reports in progress.
    places: Places,
}

/// Reports of one client.
#[derive(Clone)]
pub(crate) struct Reports {
    shared: SharedReports,
    client: Client,
}

impl SharedReports {
    pub(crate) fn new(db: ConnectionPool, config: &Config) -> Self {
        let places = config.places(config.query_reports_max.get().into());
        let (timeout, after_timeout) = (config.timeout(), config.after_timeout());
        Self(Arc::new(Shared { db, timeout, after_timeout, read_after: ReadAfter::new(config), places }))
    }

    /// Reports of a client.
    pub(crate) fn of_client(&self, client: Client) -> Reports {
        Reports { shared: self.clone(), client }
    }

    /// The number of reports in progress, and its maximum.
    pub(crate) fn in_progress(&self) -> (usize, usize) {
        self.0.places.taken()
    }

    /// The numbers of connections in the pool.
    pub(crate) fn connections(&self) -> deadpool::managed::Status {
        self.0.db.status()
    }
}

impl Reports {
    /// Reads a report, which contains the event that it is to be read after.
    pub(crate) async fn read(&self, request: &StatsRequest) -> Result<Versioned<Stats>, ReportError> {
        let Shared { db, timeout, after_timeout, read_after, .. } = &*self.shared.0;
        let _place = self.place()?;
        let begun = Instant::now();
        let deadline = begun + *timeout;
        let Some(receipt) = request.after else {
            return self.query(request, deadline).await?.into_stats(request);
        };
        loop {
            read_after.wait(db, receipt, &self.client, begun + *after_timeout).await?;
            let snapshot = self.query(request, deadline).await?;
            // Not if a generation has become active meanwhile that is not as far as the one before it.
            if snapshot.log_position().contains(receipt) {
                return snapshot.into_stats(request);
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    /// Reads a list.
    pub(crate) async fn list<R>(&self, list: &impl Query<Answer = Versioned<R>>) -> Result<Versioned<R>, ReportError> {
        let _place = self.place()?;
        self.query(list, Instant::now() + self.shared.0.timeout).await
    }

    /// Reads the version of the read models, without any report.
    pub(crate) async fn version(&self) -> Result<SnapshotVersion, ReportError> {
        let _place = self.place()?;
        self.query(&CurrentVersion, Instant::now() + self.shared.0.timeout).await
    }

    async fn query<Q: Query>(&self, query: &Q, deadline: Instant) -> Result<Q::Answer, ReportError> {
        retry::retry_once(ReportError::conflict, || async move {
            let mut lease = self.lease(deadline).await?;
            let read = timeout_at(deadline, query.read(&mut lease)).await;
            lease.end_with(read.unwrap_or(Err(ReportError::TimedOut)))
        })
        .await
    }

    fn place(&self) -> Result<Place, ReportError> {
        self.shared.0.places.take(&self.client).map_err(|err| match err {
            NoPlace::AllTaken => ReportError::TooManyReports,
            NoPlace::ClientHasMost => ReportError::TooManyReportsOfClient,
        })
    }

    async fn lease(&self, deadline: Instant) -> Result<PooledConnection, sqlx::Error> {
        PooledConnection::take(&self.shared.0.db, &self.client, deadline).await
    }
}
