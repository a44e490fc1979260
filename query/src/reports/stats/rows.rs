//! The statements, and what their rows add up to. Rows are taken in as they come: a long range takes no more memory
//! than a short one.

use chrono::NaiveDate;
use contract::TopPaths;
use contract::sketch::{Accuracy, Bounds, Count};
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use sqlx::PgConnection;

use super::meta::Meta;
use super::positions::Positions;
use super::referrers::Referrers;
use super::top_k::{Lists, Place, Verdict};
use super::{PathViews, Stats, months, paths, single_row, transaction};
use crate::params::{Period, StatsRequest};
use crate::reports::error::{ReportError, count};
use crate::reports::log_position::AsOf;
use crate::reports::query::Versioned;
use crate::reports::snapshot_version::Version;
use crate::reports::unique_users::Users;

/// In a range of more days one of the first paths is likely to be missing in some day's list, and has to be looked up
/// there. To read all of it twice costs more than a transaction does; but where there are months, they are likely to do.
const DAYS_OF_ONE_STATEMENT: i64 = 7;

/// A row of `daily.sql` and `all_time.sql`: the generation and its state, or views, or users.
struct Row {
    generation_id: Option<i32>,
    day: Option<NaiveDate>,
    partition_id: Option<i32>,
    views: Option<i64>,
    top_paths: Option<String>,
    users: Option<i64>,
    sketch: Option<Vec<u8>>,
    checkpoints: Option<String>,
    today: Option<NaiveDate>,
}

/// What the rows so far say.
#[derive(Default)]
pub(super) struct Reading {
    version: Option<Version>,
    total_views: u64,
    lists: Lists,
    top_paths: Vec<PathViews>,
    users: Users,
    /// Their number, where it was read without sketches.
    known_users: Option<Count>,
    /// None unless they were asked for.
    positions: Positions,
    /// The same.
    referrers: Option<Referrers>,
}

/// Reads a report, the rows of which `db` may not have sent all when this fails.
///
/// Most often one statement is enough. Where it leaves open how many users there are, or which the first paths are, all of it
/// is read again, and the paths with it, in one transaction. Long ranges, where that is likely, begin with it; and so does
/// what is to say which part of the log it contains.
pub(super) async fn read(db: &mut PgConnection, request: &StatsRequest) -> Result<Reading, ReportError> {
    let read = match request.period {
        _ if request.tells_position() => None,
        Period::AllTime => single_row::read(db, request, None).await?,
        Period::Day(day) => single_row::read(db, request, Some(day)).await?,
        range if range.is_longer_than(DAYS_OF_ONE_STATEMENT) => months::read(db, request).await?,
        Period::Range { .. } => Some(read_rows(db, request).await?),
    };
    if let Some(reading) = read.and_then(|reading| reading.decided(request)) {
        return Ok(reading);
    }
    let mut tx = transaction::begin(db, request.period).await?;
    let reading = if request.tells_position() {
        read_within(&mut tx, request).await?
    } else {
        // Everything that is shorter has just been tried.
        read_days(&mut tx, request).await?
    };
    tx.commit().await?;
    Ok(reading)
}

/// Reads a report in a transaction that [`transaction::begin`] has begun.
pub(super) async fn read_within(tx: &mut PgConnection, request: &StatsRequest) -> Result<Reading, ReportError> {
    let mut reading = match months::read(tx, request).await?.and_then(|reading| reading.decided(request)) {
        Some(reading) => reading,
        None => read_days(tx, request).await?,
    };
    if request.tells_position() {
        reading.positions = Positions::read(tx).await?;
    }
    Ok(reading)
}

/// The same, whatever months were summed up to.
async fn read_days(tx: &mut PgConnection, request: &StatsRequest) -> Result<Reading, ReportError> {
    let mut reading = read_rows(tx, request).await?;
    reading.top_paths = match reading.lists.verdict(request.paths_max.into()) {
        Verdict::Decided(paths) => paths,
        Verdict::Needs(needed) => {
            let views = paths::look_up(tx, request, &needed).await?;
            reading.lists.decided(request.paths_max.into(), &views, &needed)
        }
        Verdict::Open => paths::add_up(tx, request).await?,
    };
    Ok(reading)
}

async fn read_rows(db: &mut PgConnection, request: &StatsRequest) -> Result<Reading, ReportError> {
    let mut rows = rows(db, request);
    let mut reading = Reading::default();
    while let Some(row) = rows.try_next().await? {
        reading.add(row)?;
    }
    if reading.version.is_none() { Err(ReportError::NoGeneration) } else { Ok(reading) }
}

fn rows<'a>(db: &'a mut PgConnection, request: &'a StatsRequest) -> BoxStream<'a, sqlx::Result<Row>> {
    let (site_id, event_type) = (request.site_id.as_str(), request.event_type.as_str());
    let days = |first: Option<NaiveDate>, last: Option<NaiveDate>| {
        sqlx::query_file_as!(Row, "src/reports/stats/sql/daily.sql", site_id, event_type, first, last)
    };
    match request.period {
        Period::AllTime => {
            sqlx::query_file_as!(Row, "src/reports/stats/sql/all_time.sql", site_id, event_type).fetch(db)
        }
        Period::Day(day) => days(Some(day), Some(day)).fetch(db),
        Period::Range { first, last } => days(first, last).fetch(db),
    }
}

impl Reading {
    /// Which part of the log was read; nothing unless the request has to know.
    pub(super) fn as_of(&self) -> AsOf {
        self.positions.as_of()
    }

    /// The same with where the visits came from, if that was asked for.
    pub(super) fn with_referrers(self, referrers: Option<Referrers>) -> Self {
        Self { referrers, ..self }
    }

    /// The answer to the request that was read for.
    pub(super) fn into_stats(self, request: &StatsRequest) -> Result<Versioned<Stats>, ReportError> {
        let version = self.version.ok_or(ReportError::NoGeneration)?;
        let users = self.known_users.map_or_else(|| self.users.count(), Ok)?;
        let report = Stats {
            site_id: request.site_id.as_str().to_owned(),
            date: request.period.day(),
            total_views: self.total_views,
            unique_users: users.users,
            top_paths: self.top_paths,
            referrers: self.referrers,
            previous: None,
            change: None,
            meta: request.with_meta.then(|| Meta::of(version.generation_id, &self.positions, users)),
        };
        Ok(Versioned { version, report })
    }

    /// Of a single row that says it all.
    pub(super) fn of_numbers(row: single_row::Row, day: Option<NaiveDate>) -> Result<Self, ReportError> {
        let single_row::Row { generation_id, checkpoints, today, partition_id, views, top_paths, users } = row;
        let mut reading = Self { version: Some(Version { generation_id, checkpoints, today }), ..Self::default() };
        if let Some((partition_id, views)) = partition_id.zip(views) {
            reading.add_views(Place { day, partition_id }, views, top_paths.as_deref())?;
        }
        // How exact they are is not told without `meta`, which takes the sketch.
        reading.known_users = Some(Count::new(count(users.unwrap_or_default())?, Accuracy::Estimated));
        Ok(reading)
    }

    /// Notes which state of the read models this is of.
    pub(super) fn set_version(&mut self, version: Version) {
        self.version = Some(version);
    }

    pub(super) fn has_version(&self) -> bool {
        self.version.is_some()
    }

    /// Itself with its first paths, if what was read tells them.
    fn decided(mut self, request: &StatsRequest) -> Option<Self> {
        match self.lists.verdict(request.paths_max.into()) {
            Verdict::Decided(paths) => {
                self.top_paths = paths;
                Some(self)
            }
            Verdict::Needs(_) | Verdict::Open => None,
        }
    }

    fn add(&mut self, row: Row) -> Result<(), ReportError> {
        if let Some(((generation_id, checkpoints), today)) = row.generation_id.zip(row.checkpoints).zip(row.today) {
            self.version = Some(Version { generation_id, checkpoints, today });
        } else if let Some((partition_id, views)) = row.partition_id.zip(row.views) {
            self.add_views(Place { day: row.day, partition_id }, views, row.top_paths.as_deref())?;
        } else if let Some((users, sketch)) = row.users.zip(row.sketch) {
            let users = Count::new(count(users)?, Accuracy::of_stored(&sketch)?);
            self.add_users(row.day, users.into(), sketch)?;
        }
        Ok(())
    }

    /// Adds what is known of some users, and their sketch; days come in order.
    pub(super) fn add_users(
        &mut self,
        day: Option<NaiveDate>,
        users: Bounds,
        sketch: Vec<u8>,
    ) -> Result<(), ReportError> {
        Ok(self.users.add(day, users, sketch)?)
    }

    /// Adds views, with the list of top paths there.
    pub(super) fn add_views(&mut self, place: Place, views: i64, top_paths: Option<&str>) -> Result<(), ReportError> {
        self.total_views += count(views)?;
        self.lists.add(place, top_paths.map(TopPaths::from_json).transpose()?);
        Ok(())
    }
}
