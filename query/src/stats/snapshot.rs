//! A report as it was read in one moment, with what takes statements of its own.

use sqlx::PgConnection;

use super::reading::{self, Reading};
use super::{Stats, referrers, transaction};
use crate::as_of::AsOf;
use crate::report_error::ReportError;
use crate::request::{Include, Request};
use crate::version::Version;

/// All that was read.
pub(crate) struct Snapshot {
    reading: Reading,
    /// Of the period before, if it is to be compared.
    before: Option<Reading>,
}

impl Snapshot {
    /// Reads a report, the rows of which `db` may not have sent all when this fails.
    pub(crate) async fn read(db: &mut PgConnection, request: &Request) -> Result<Self, ReportError> {
        if request.include.is_none() && request.previous.is_none() {
            return Ok(Self { reading: reading::read(db, request).await?, before: None });
        }
        Self::read_together(db, request).await
    }

    /// Reads it with several statements, in one transaction.
    async fn read_together(db: &mut PgConnection, request: &Request) -> Result<Self, ReportError> {
        let mut tx = transaction::begin(db, request.period).await?;
        let referrers = match request.include {
            Some(Include::Referrers) => Some(referrers::read(&mut tx, request).await?),
            None => None,
        };
        let reading = reading::read_within(&mut tx, request).await?;
        let before = match request.before() {
            Some(before) => Some(reading::read_within(&mut tx, &before).await?),
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
    pub(crate) fn into_stats(self, request: &Request) -> Result<(Version, Stats), ReportError> {
        let (version, stats) = self.reading.into_stats(request)?;
        let Some((days, before)) = request.previous.zip(self.before) else { return Ok((version, stats)) };
        let (_, before) = before.into_stats(request)?;
        Ok((version, stats.compared_with(days, &before)))
    }
}
