//! Where reports are read, in places and with connections that clients share.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use service::Refusal;
use service::access::{Client, Grant, NoPlace, Place, Places};
use tokio::time::{Instant, sleep, timeout_at};

use crate::arrivals::{Arrivals, LOOK_INTERVAL};
use crate::config::Config;
use crate::conflicts;
use crate::connections::Connections;
use crate::lease::Lease;
use crate::listing::List;
use crate::report_error::ReportError;
use crate::request::Request;
use crate::stats::{Snapshot, Stats};
use crate::version::Version;

/// What reports of all clients are read with.
#[derive(Clone)]
pub(crate) struct SharedReports(Arc<Shared>);

struct Shared {
    db: Connections,
    /// For one report with all its waiting.
    timeout: Duration,
    /// For an event to arrive in the read models.
    after_timeout: Duration,
    arrivals: Arrivals,
    /// For reports that are read or waited for.
    places: Places,
}

/// Reports of one client. A handler takes it as an argument.
#[derive(Clone)]
pub(crate) struct Reports {
    shared: SharedReports,
    client: Client,
}

impl SharedReports {
    pub(crate) fn new(db: Connections, config: &Config) -> Self {
        let places = config.places(config.query_reports_max.get().into());
        let (timeout, after_timeout) = (config.timeout(), config.after_timeout());
        Self(Arc::new(Shared { db, timeout, after_timeout, arrivals: Arrivals::new(config), places }))
    }

    /// How many reports are in progress, and how many may be.
    pub(crate) fn in_progress(&self) -> (usize, usize) {
        self.0.places.taken()
    }

    /// The connections that they are read with.
    pub(crate) fn connections(&self) -> deadpool::managed::Status {
        self.0.db.status()
    }
}

impl<S> FromRequestParts<S> for Reports
where
    S: Send + Sync,
    SharedReports: FromRef<S>,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let client = Grant::from_request_parts(parts, state).await?.client().clone();
        Ok(Self { shared: SharedReports::from_ref(state), client })
    }
}

impl Reports {
    /// Reads a report, which contains the event it is to be read after.
    ///
    /// # Errors
    ///
    /// See [`ReportError`]; nothing was changed by having tried.
    pub(crate) async fn read(&self, request: &Request) -> Result<(Version, Stats), ReportError> {
        let Shared { db, timeout, after_timeout, arrivals, .. } = &*self.shared.0;
        let _place = self.place()?;
        let begun = Instant::now();
        let deadline = begun + *timeout;
        let Some(receipt) = request.after else {
            return self.snapshot(request, deadline).await?.into_stats(request);
        };
        loop {
            arrivals.wait(db, receipt, &self.client, begun + *after_timeout).await?;
            let snapshot = self.snapshot(request, deadline).await?;
            // Not if a generation has become active meanwhile that is not as far as the one before it.
            if snapshot.as_of().contains(receipt) {
                return snapshot.into_stats(request);
            }
            sleep(LOOK_INTERVAL).await;
        }
    }

    /// Reads a list, and which state of the read models that was.
    ///
    /// # Errors
    ///
    /// See [`ReportError`]; nothing was changed by having tried.
    pub(crate) async fn list<L: List>(&self, list: &L) -> Result<(Version, L::Report), ReportError> {
        let _place = self.place()?;
        let deadline = Instant::now() + self.shared.0.timeout;
        conflicts::retry_once(ReportError::conflict, || async move {
            let mut lease = self.lease(deadline).await?;
            let read = timeout_at(deadline, list.read(&mut lease)).await;
            lease.end_with(read.unwrap_or(Err(ReportError::TimedOut)))
        })
        .await
    }

    /// Reads which state the read models are in, and nothing of them.
    ///
    /// # Errors
    ///
    /// See [`ReportError`]; nothing was changed by having tried.
    pub(crate) async fn version(&self) -> Result<Version, ReportError> {
        let _place = self.place()?;
        let deadline = Instant::now() + self.shared.0.timeout;
        conflicts::retry_once(ReportError::conflict, || async move {
            let mut lease = self.lease(deadline).await?;
            let read = timeout_at(deadline, Version::read(&mut lease)).await;
            lease.end_with(read.unwrap_or(Err(ReportError::TimedOut)))
        })
        .await
    }

    async fn snapshot(&self, request: &Request, deadline: Instant) -> Result<Snapshot, ReportError> {
        conflicts::retry_once(ReportError::conflict, || async move {
            let mut lease = self.lease(deadline).await?;
            let read = timeout_at(deadline, Snapshot::read(&mut lease, request)).await;
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

    async fn lease(&self, deadline: Instant) -> Result<Lease, sqlx::Error> {
        Lease::take(&self.shared.0.db, &self.client, deadline).await
    }
}
