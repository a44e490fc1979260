//! The parts of a report, read in one snapshot of the read models.

use sqlx::{Connection, PgConnection, PgTransaction};

use super::meta::Meta;
use super::positions::Positions;
use super::ranked::Ranked;
use super::summary::Summary;
use super::{Referrers, Stats, referrers};
use crate::params::{Include, Period, StatsRequest};
use crate::reports::error::ReportError;
use crate::reports::log_position::LogPosition;
use crate::reports::query::{Query, Versioned};

/// The parts of a report.
pub(crate) struct Snapshot {
    ranked: Ranked,
    /// The days to compare with, if there are any.
    before: Option<Summary>,
    /// `None` unless they were asked for.
    referrers: Option<Referrers>,
    /// Empty unless the request has to know them.
    positions: Positions,
}

impl Query for StatsRequest {
    type Answer = Snapshot;

    /// Reads a report with one statement where that is enough, and else in one transaction. What takes statements of its
    /// own begins with the transaction.
    async fn read(&self, db: &mut PgConnection) -> Result<Snapshot, ReportError> {
        if !self.has_further_parts()
            && let Some(ranked) = Ranked::read_at_once(db, self).await?
        {
            return Ok(Snapshot { ranked, before: None, referrers: None, positions: Positions::default() });
        }
        let mut tx = begin(db, self.period).await?;
        let snapshot = read_within(&mut tx, self).await?;
        tx.commit().await?;
        Ok(snapshot)
    }
}

/// Begins a transaction in which all statements of a report see one snapshot.
///
/// The snapshot is taken by the first statement that reads. The tables must be locked before: otherwise a generation could be
/// active in the snapshot and dropped before its tables are opened, and would read as empty. Locking takes no snapshot.
async fn begin(db: &mut PgConnection, period: Period) -> sqlx::Result<PgTransaction<'_>> {
    let mut tx = db.begin_with("begin isolation level repeatable read, read only").await?;
    lock(&mut tx, period).await?;
    Ok(tx)
}

/// Keeps the tables of a report from being dropped, in the order of `create_generation()`, like the statements.
async fn lock(db: &mut PgConnection, period: Period) -> sqlx::Result<()> {
    match period {
        Period::AllTime => {
            sqlx::query!("lock table view_total, path_total, user_total, referrer_total in access share mode")
        }
        Period::Day(_) | Period::Range { .. } => {
            sqlx::query!(
                "lock table view_daily, path_daily, user_daily, referrer_daily, month_summary in access share mode"
            )
        }
    }
    .execute(db)
    .await?;
    Ok(())
}

/// Reads the parts of a report in its transaction.
async fn read_within(tx: &mut PgConnection, request: &StatsRequest) -> Result<Snapshot, ReportError> {
    let referrers = match request.include {
        Some(Include::Referrers) => Some(referrers::read(tx, request).await?),
        None => None,
    };
    let ranked = if request.has_further_parts() {
        Ranked::read(tx, request).await?
    } else {
        // One statement has just tried everything shorter.
        Ranked::read_days(tx, request).await?
    };
    let positions = if request.tells_position() { Positions::read(tx).await? } else { Positions::default() };
    let before = match request.before() {
        Some(before) => Some(Ranked::read(tx, &before).await?.summary),
        None => None,
    };
    Ok(Snapshot { ranked, before, referrers, positions })
}

impl Snapshot {
    /// The part of the log that was read; empty unless the request has to know it.
    pub(crate) fn log_position(&self) -> LogPosition {
        self.positions.log_position()
    }

    /// The answer to the request that was read for.
    pub(crate) fn into_stats(self, request: &StatsRequest) -> Result<Versioned<Stats>, ReportError> {
        let Self { ranked: Ranked { summary, top_paths }, before, referrers, positions } = self;
        let Summary { version, views, users } = summary;
        let users = users.count()?;
        let stats = Stats {
            site_id: request.site_id.as_str().to_owned(),
            date: request.period.day(),
            total_views: views.total,
            unique_users: users.users,
            top_paths,
            referrers,
            previous: None,
            change: None,
            meta: request.with_meta.then(|| Meta::of(version.generation_id, &positions, users)),
        };
        let report = match request.previous.zip(before) {
            Some((days, before)) => stats.compared_with(days, before.views.total, before.users.count()?.users),
            None => stats,
        };
        Ok(Versioned { version, report })
    }
}
