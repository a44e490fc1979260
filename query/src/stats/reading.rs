//! The statements, and what their rows add up to. Rows are taken in as they come: a long range takes no more memory
//! than a short one.

use chrono::NaiveDate;
use contract::Sketch;
use contract::sketch::{Accuracy, HEADER_BYTES};
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use sqlx::PgConnection;

use super::meta::Meta;
use super::position::Positions;
use super::referrers::Referrers;
use super::{PathViews, Stats, StatsError, count};
use crate::as_of::AsOf;
use crate::request::{Period, Request};
use crate::users::{Count, Users};
use crate::version::Version;

/// A row of `daily.sql` and `all_time.sql`: the numbers, or users, or a position.
struct Row {
    generation_id: Option<i32>,
    total_views: Option<i64>,
    paths: Option<Vec<String>>,
    path_views: Option<Vec<i64>>,
    day: Option<NaiveDate>,
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
pub(super) async fn read(db: &mut PgConnection, request: &Request) -> Result<Reading, StatsError> {
    let mut rows = rows(db, request);
    let mut reading = Reading::default();
    while let Some(row) = rows.try_next().await? {
        reading.add(row)?;
    }
    Ok(reading)
}

fn rows<'a>(db: &'a mut PgConnection, request: &'a Request) -> BoxStream<'a, sqlx::Result<Row>> {
    let (site_id, event_type) = (request.site_id.as_str(), request.event_type.as_str());
    let paths_max = i64::from(request.paths_max);
    let with_positions = request.with_meta || request.after.is_some();
    let header_bytes = request.with_meta.then(|| i32::try_from(HEADER_BYTES).expect("a header is short"));
    let days = |first: Option<NaiveDate>, last: Option<NaiveDate>| {
        sqlx::query_file_as!(
            Row,
            "src/stats/daily.sql",
            site_id,
            event_type,
            first,
            last,
            paths_max,
            with_positions,
            header_bytes,
        )
    };
    match request.period {
        Period::AllTime => sqlx::query_file_as!(
            Row,
            "src/stats/all_time.sql",
            site_id,
            event_type,
            paths_max,
            with_positions,
            header_bytes,
        )
        .fetch(db),
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
        if let Some(position) = row.position {
            return self.positions.add(position);
        }
        let Some(users) = row.users else { return self.add_numbers(row) };
        let users = count(users)?;
        match row.sketch {
            None => {
                // Without a header nobody has asked how exact the number is.
                let accuracy =
                    row.sketch_header.map_or(Ok(Accuracy::Estimated), |header| Accuracy::of_stored(&header))?;
                self.only_users = Some(Count::new(users, accuracy));
            }
            Some(sketch) => {
                let users = Count::new(users, Accuracy::of_stored(&sketch)?);
                self.users.add(row.day, users, Sketch::open(&sketch)?)?;
            }
        }
        Ok(())
    }

    fn add_numbers(&mut self, row: Row) -> Result<(), StatsError> {
        let state = row.generation_id.zip(row.checkpoints).zip(row.today);
        let ((generation_id, checkpoints), today) = state.ok_or(StatsError::NoGeneration)?;
        self.version = Some(Version { generation_id, checkpoints, today });
        self.total_views = count(row.total_views.unwrap_or_default())?;
        let paths = row.paths.unwrap_or_default().into_iter().zip(row.path_views.unwrap_or_default());
        self.top_paths = paths
            .map(|(path, views)| Ok(PathViews { path, views: count(views)? }))
            .collect::<Result<_, StatsError>>()?;
        Ok(())
    }
}
