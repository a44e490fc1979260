//! The statements, and what their rows add up to. Rows are taken in as they come: a long range takes no more memory
//! than a short one.

use chrono::NaiveDate;
use contract::TopPaths;
use contract::sketch::{Accuracy, HEADER_BYTES};
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use sqlx::PgConnection;

use super::lists::{Lists, Place, Verdict};
use super::meta::Meta;
use super::position::Positions;
use super::referrers::Referrers;
use super::{PathViews, Stats, StatsError, count, paths, transaction};
use crate::as_of::AsOf;
use crate::request::{Period, Request};
use crate::users::{Count, Users};
use crate::version::Version;

/// In a range of more days one of the first paths is likely to be missing in some day's list, and has to be looked up
/// there. To read all of it twice costs more than a transaction does.
const DAYS_OF_ONE_STATEMENT: i64 = 7;

/// A row of `daily.sql` and `all_time.sql`: the generation and its state, or views, or users, or a position.
struct Row {
    generation_id: Option<i32>,
    day: Option<NaiveDate>,
    partition_id: Option<i32>,
    views: Option<i64>,
    top_paths: Option<String>,
    users: Option<i64>,
    sketch: Option<Vec<u8>>,
    sketch_header: Option<Vec<u8>>,
    position: Option<Vec<Option<i64>>>,
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
    /// The number of the only row with users, which comes without its sketch.
    only_users: Option<Count>,
    /// Those of several rows.
    users: Users,
    /// None unless they were asked for.
    positions: Positions,
    /// The same.
    referrers: Option<Referrers>,
}

/// Reads a report, the rows of which `db` may not have sent all when this fails.
///
/// Most often one statement is enough. Where it leaves open which the first paths are, all of it is read again, and the
/// paths with it, in one transaction. Long ranges, where that is likely, begin with it.
pub(super) async fn read(db: &mut PgConnection, request: &Request) -> Result<Reading, StatsError> {
    if !request.period.is_longer_than(DAYS_OF_ONE_STATEMENT) {
        let mut reading = read_rows(db, request).await?;
        if let Verdict::Decided(paths) = reading.lists.verdict(request.paths_max.into()) {
            reading.top_paths = paths;
            return Ok(reading);
        }
    }
    let mut tx = transaction::begin(db, request.period).await?;
    let reading = read_within(&mut tx, request).await?;
    tx.commit().await?;
    Ok(reading)
}

/// Reads a report in a transaction that [`transaction::begin`] has begun.
pub(super) async fn read_within(tx: &mut PgConnection, request: &Request) -> Result<Reading, StatsError> {
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

async fn read_rows(db: &mut PgConnection, request: &Request) -> Result<Reading, StatsError> {
    let mut rows = rows(db, request);
    let mut reading = Reading::default();
    while let Some(row) = rows.try_next().await? {
        reading.add(row)?;
    }
    if reading.version.is_none() { Err(StatsError::NoGeneration) } else { Ok(reading) }
}

fn rows<'a>(db: &'a mut PgConnection, request: &'a Request) -> BoxStream<'a, sqlx::Result<Row>> {
    let (site_id, event_type) = (request.site_id.as_str(), request.event_type.as_str());
    let with_positions = request.with_meta || request.after.is_some();
    let header_bytes = request.with_meta.then(|| i32::try_from(HEADER_BYTES).expect("a header is short"));
    let days = |first: Option<NaiveDate>, last: Option<NaiveDate>| {
        sqlx::query_file_as!(Row, "src/stats/daily.sql", site_id, event_type, first, last, with_positions, header_bytes,)
    };
    match request.period {
        Period::AllTime => {
            sqlx::query_file_as!(Row, "src/stats/all_time.sql", site_id, event_type, with_positions, header_bytes)
                .fetch(db)
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
    pub(super) fn into_stats(self, request: &Request) -> Result<(Version, Stats), StatsError> {
        let version = self.version.ok_or(StatsError::NoGeneration)?;
        let users = self.only_users.map_or_else(|| self.users.count(), Ok)?;
        let stats = Stats {
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
        Ok((version, stats))
    }

    fn add(&mut self, row: Row) -> Result<(), StatsError> {
        if let Some(((generation_id, checkpoints), today)) = row.generation_id.zip(row.checkpoints).zip(row.today) {
            self.version = Some(Version { generation_id, checkpoints, today });
            return Ok(());
        }
        let Row { day, partition_id, views, top_paths, users, sketch, sketch_header, position, .. } = row;
        if let Some(position) = position {
            self.positions.add(position)
        } else if let Some((partition_id, views)) = partition_id.zip(views) {
            self.total_views += count(views)?;
            let list = top_paths.map(|list| TopPaths::from_json(&list)).transpose()?;
            self.lists.add(Place { day, partition_id }, list);
            Ok(())
        } else if let Some(users) = users {
            self.add_users(day, count(users)?, sketch, sketch_header.as_deref())
        } else {
            Ok(())
        }
    }

    fn add_users(
        &mut self,
        day: Option<NaiveDate>,
        users: u64,
        sketch: Option<Vec<u8>>,
        header: Option<&[u8]>,
    ) -> Result<(), StatsError> {
        match sketch {
            None => {
                // Without a header nobody has asked how exact the number is.
                let accuracy = header.map_or(Ok(Accuracy::Estimated), Accuracy::of_stored)?;
                self.only_users = Some(Count::new(users, accuracy));
            }
            Some(sketch) => {
                let users = Count::new(users, Accuracy::of_stored(&sketch)?);
                self.users.add(day, users, sketch)?;
            }
        }
        Ok(())
    }
}
