//! A report as it was read in one moment, with what takes statements of its own.

use sqlx::{Connection, PgConnection};

use super::reading::{self, Reading};
use super::{Stats, StatsError, referrers};
use crate::as_of::AsOf;
use crate::request::{Include, Period, Request};
use crate::version::Version;

/// All that was read.
pub(super) struct Snapshot {
    reading: Reading,
    /// Of the period before, if it is to be compared.
    before: Option<Reading>,
}

impl Snapshot {
    /// Reads a report, the rows of which `db` may not have sent all when this fails.
    pub(super) async fn read(db: &mut PgConnection, request: &Request) -> Result<Self, StatsError> {
        if request.include.is_none() && request.previous.is_none() {
            return Ok(Self { reading: reading::read(db, request).await?, before: None });
        }
        Self::read_together(db, request).await
    }

    /// Reads it with several statements, in one transaction.
    ///
    /// They see one moment only in a transaction of this kind. Its moment is that of the first statement which reads,
    /// and the tables must be locked before: otherwise a generation could be active in that moment and dropped before
    /// its tables are opened, and would read as empty. Locking takes no snapshot.
    async fn read_together(db: &mut PgConnection, request: &Request) -> Result<Self, StatsError> {
        let mut tx = db.begin_with("begin isolation level repeatable read, read only").await?;
        lock(&mut tx, request.period).await?;
        let referrers = match request.include {
            Some(Include::Referrers) => Some(referrers::read(&mut tx, request).await?),
            None => None,
        };
        let reading = reading::read(&mut tx, request).await?;
        let before = match request.before() {
            Some(before) => Some(reading::read(&mut tx, &before).await?),
            None => None,
        };
        tx.commit().await?;
        Ok(Self { reading: reading.with_referrers(referrers), before })
    }

    /// Which part of the log was read; nothing unless the request has to know.
    pub(super) fn as_of(&self) -> AsOf {
        self.reading.as_of()
    }

    /// The answer to the request that was read for.
    pub(super) fn into_stats(self, request: &Request) -> Result<(Version, Stats), StatsError> {
        let (version, stats) = self.reading.into_stats(request)?;
        let Some((days, before)) = request.previous.zip(self.before) else { return Ok((version, stats)) };
        let (_, before) = before.into_stats(request)?;
        Ok((version, stats.compared_with(days, &before)))
    }
}

/// Keeps the tables of a report from being dropped. In the order of `create_generation()`, like the statements.
async fn lock(db: &mut PgConnection, period: Period) -> sqlx::Result<()> {
    match period {
        Period::AllTime => {
            sqlx::query!("lock table view_total, path_total, user_total, referrer_total in access share mode")
        }
        Period::Day(_) | Period::Range { .. } => {
            sqlx::query!("lock table view_daily, path_daily, user_daily, referrer_daily in access share mode")
        }
    }
    .execute(db)
    .await?;
    Ok(())
}
