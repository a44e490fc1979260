//! The views of paths, where the lists of top paths do not decide which are the first.

use sqlx::PgConnection;

use super::PathViews;
use super::top_k::Lookup;
use crate::params::StatsRequest;
use crate::reports::error::{ReportError, count};

/// A row of `paths_daily.sql`, `paths_all_time.sql` and `path_views.sql`.
struct Row {
    path: String,
    views: i64,
}

/// Adds up all paths, and returns the first.
pub(super) async fn add_up(tx: &mut PgConnection, request: &StatsRequest) -> Result<Vec<PathViews>, ReportError> {
    let (site_id, event_type) = (request.site_id.as_str(), request.event_type.as_str());
    let paths_max = i64::from(request.paths_max);
    let rows = match request.period.days() {
        None => {
            let all =
                sqlx::query_file_as!(Row, "src/reports/stats/sql/paths_all_time.sql", site_id, event_type, paths_max);
            all.fetch_all(tx).await?
        }
        Some((first, last)) => {
            sqlx::query_file_as!(
                Row,
                "src/reports/stats/sql/paths_daily.sql",
                site_id,
                event_type,
                first,
                last,
                paths_max
            )
            .fetch_all(tx)
            .await?
        }
    };
    rows.into_iter().map(PathViews::try_from).collect()
}

/// Looks up the views of some paths on some days. Paths without views are left out.
pub(super) async fn look_up(
    tx: &mut PgConnection,
    request: &StatsRequest,
    lookups: &[Lookup],
) -> Result<Vec<PathViews>, ReportError> {
    let days: Vec<_> = lookups.iter().filter_map(|lookup| lookup.key.day).collect();
    let partitions: Vec<_> = lookups.iter().map(|lookup| lookup.key.partition_id).collect();
    let paths: Vec<&str> = lookups.iter().map(|lookup| lookup.path.as_str()).collect();
    let rows = sqlx::query_file_as!(
        Row,
        "src/reports/stats/sql/path_views.sql",
        request.site_id.as_str(),
        request.event_type.as_str(),
        &days,
        &partitions,
        &paths as &[&str],
    );
    rows.fetch_all(tx).await?.into_iter().map(PathViews::try_from).collect()
}

impl TryFrom<Row> for PathViews {
    type Error = ReportError;

    fn try_from(row: Row) -> Result<Self, ReportError> {
        Ok(Self { path: row.path, views: count(row.views)? })
    }
}
