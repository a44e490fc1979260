//! The statements, and what their rows add up to. Rows are taken in as they come: a long range takes no more memory
//! than a short one.

use chrono::NaiveDate;
use contract::Sketch;
use futures_util::TryStreamExt;
use sqlx::PgConnection;

use super::{PathViews, Stats, StatsError};
use crate::request::{Period, Request};
use crate::users::Users;

/// A row of `daily.sql` and `all_time.sql`: the numbers and no users, or users and no numbers.
struct Row {
    generation_id: Option<i32>,
    total_views: Option<i64>,
    paths: Option<Vec<String>>,
    path_views: Option<Vec<i64>>,
    day: Option<NaiveDate>,
    users: Option<i64>,
    sketch: Option<Vec<u8>>,
}

/// What the rows so far say.
#[derive(Default)]
struct Reading {
    total_views: u64,
    top_paths: Vec<PathViews>,
    /// The number of the only row with users, which comes without its sketch.
    only_users: Option<u64>,
    /// Those of several rows.
    users: Users,
}

/// Reads a report, the rows of which `db` may not have sent all when this fails.
pub(super) async fn read(db: &mut PgConnection, request: &Request) -> Result<Stats, StatsError> {
    let (site_id, event_type) = (request.site_id.as_str(), request.event_type.as_str());
    let paths_max = i64::from(request.paths_max);
    let days = |first: Option<NaiveDate>, last: Option<NaiveDate>| {
        sqlx::query_file_as!(Row, "src/stats/daily.sql", site_id, event_type, first, last, paths_max)
    };
    let mut rows = match request.period {
        Period::AllTime => {
            sqlx::query_file_as!(Row, "src/stats/all_time.sql", site_id, event_type, paths_max).fetch(db)
        }
        Period::Day(day) => days(Some(day), Some(day)).fetch(db),
        Period::Range { first, last } => days(first, last).fetch(db),
    };
    let mut reading = Reading::default();
    while let Some(row) = rows.try_next().await? {
        reading.add(row)?;
    }
    Ok(Stats {
        site_id: site_id.to_owned(),
        date: request.period.day(),
        total_views: reading.total_views,
        unique_users: reading.only_users.map_or_else(|| reading.users.count(), Ok)?,
        top_paths: reading.top_paths,
        referrers: None,
    })
}

impl Reading {
    fn add(&mut self, row: Row) -> Result<(), StatsError> {
        let Some(users) = row.users else { return self.add_numbers(row) };
        let users = count(users)?;
        match row.sketch {
            None => self.only_users = Some(users),
            Some(sketch) => self.users.add(row.day, users, Sketch::open(&sketch)?)?,
        }
        Ok(())
    }

    fn add_numbers(&mut self, row: Row) -> Result<(), StatsError> {
        if row.generation_id.is_none() {
            return Err(StatsError::NoGeneration);
        }
        self.total_views = count(row.total_views.unwrap_or_default())?;
        let paths = row.paths.unwrap_or_default().into_iter().zip(row.path_views.unwrap_or_default());
        self.top_paths = paths
            .map(|(path, views)| Ok(PathViews { path, views: count(views)? }))
            .collect::<Result<_, StatsError>>()?;
        Ok(())
    }
}

/// A stored count.
pub(super) fn count(stored: i64) -> Result<u64, StatsError> {
    u64::try_from(stored).map_err(|_| StatsError::Negative)
}
