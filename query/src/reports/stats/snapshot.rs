//! A report as it was read in one moment, with what takes statements of its own.

use sqlx::PgConnection;

use super::rows::{self, Reading};
use super::{Stats, referrers, transaction};
use crate::params::{Include, StatsRequest};
use crate::reports::error::ReportError;
use crate::reports::log_position::AsOf;
use crate::reports::query::{Query, Versioned};

/// All that was read.
pub(crate) struct Snapshot {
    reading: Reading,
    /// Of the period before, if it is to be compared.
    before: Option<Reading>,
}

impl Query for StatsRequest {
    type Answer = Snapshot;

    async fn read(&self, db: &mut PgConnection) -> Result<Snapshot, ReportError> {
        if self.include.is_none() && self.previous.is_none() {
            return Ok(Snapshot { reading: rows::read(db, self).await?, before: None });
        }
        Snapshot::read_together(db, self).await
    }
}

impl Snapshot {
    /// Reads a report with several statements, in one transaction.
    async fn read_together(db: &mut PgConnection, request: &StatsRequest) -> Result<Self, ReportError> {
        let mut tx = transaction::begin(db, request.period).await?;
        let referrers = match request.include {
            Some(Include::Referrers) => Some(referrers::read(&mut tx, request).await?),
            None => None,
        };
        let reading = rows::read_within(&mut tx, request).await?;
        let before = match request.before() {
            Some(before) => Some(rows::read_within(&mut tx, &before).await?),
            None => None,
        };
        tx.commit().await?;
        Ok(Self { reading: reading.with_referrers(referrers), before })
    }

    /// Which part of the log was read; nothing unless the request has to know.
    pub(crate) fn as_of(&self) -> AsOf {
        self.reading.as_of()
    }

    /// The answer to the request that was read for.
    pub(crate) fn into_stats(self, request: &StatsRequest) -> Result<Versioned<Stats>, ReportError> {
        let Versioned { version, report } = self.reading.into_stats(request)?;
        let report = match request.previous.zip(self.before) {
            Some((days, before)) => report.compared_with(days, &before.into_stats(request)?.report),
            None => report,
        };
        Ok(Versioned { version, report })
    }
}
