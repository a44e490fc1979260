//! The views of paths, where lists of top paths do not tell which the first ones are.

use chrono::NaiveDate;
use sqlx::PgConnection;

use super::PathViews;
use super::top_k::Place;
use crate::params::{Period, StatsRequest};
use crate::reports::error::{ReportError, count};

/// A row of `paths_daily.sql`, `paths_all_time.sql` and `path_views.sql`.
struct Row {
    path: String,
    views: i64,
}

/// Adds up all paths, and answers the first ones.
pub(super) async fn add_up(tx: &mut PgConnection, request: &StatsRequest) -> Result<Vec<PathViews>, ReportError> {
    let (site_id, event_type) = (request.site_id.as_str(), request.event_type.as_str());
    let paths_max = i64::from(request.paths_max);
    let days = |first: Option<NaiveDate>, last: Option<NaiveDate>| {
        sqlx::query_file_as!(Row, "src/reports/stats/sql/paths_daily.sql", site_id, event_type, first, last, paths_max)
    };
    let rows = match request.period {
        Period::AllTime => {
            let all =
                sqlx::query_file_as!(Row, "src/reports/stats/sql/paths_all_time.sql", site_id, event_type, paths_max);
            all.fetch_all(tx).await?
        }
        Period::Day(day) => days(Some(day), Some(day)).fetch_all(tx).await?,
        Period::Range { first, last } => days(first, last).fetch_all(tx).await?,
    };
    rows.into_iter().map(|row| Ok(PathViews { path: row.path, views: count(row.views)? })).collect()
}

/// Answers the views of some paths on some days, as far as they have any.
pub(super) async fn look_up(
    tx: &mut PgConnection,
    request: &StatsRequest,
    needed: &[(Place, String)],
) -> Result<Vec<(String, u64)>, ReportError> {
    let days: Vec<_> = needed.iter().filter_map(|(place, _)| place.day).collect();
    let partitions: Vec<_> = needed.iter().map(|(place, _)| place.partition_id).collect();
    let paths: Vec<&str> = needed.iter().map(|(_, path)| path.as_str()).collect();
    let rows = sqlx::query_file_as!(
        Row,
        "src/reports/stats/sql/path_views.sql",
        request.site_id.as_str(),
        request.event_type.as_str(),
        &days,
        &partitions,
        &paths as &[&str],
    );
    let rows = rows.fetch_all(tx).await?;
    rows.into_iter().map(|row| Ok((row.path, count(row.views)?))).collect()
}
