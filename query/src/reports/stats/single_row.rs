//! The sums of one day, or of all time, from the numbers beside the sketches and the lists of paths: a single row, however
//! large the site is.

use chrono::NaiveDate;
use contract::sketch::{Accuracy, Count};
use sqlx::PgConnection;

use super::summary::{Summary, UserSums, ViewSums};
use super::top_k::ListKey;
use crate::params::StatsRequest;
use crate::reports::error::{ReportError, count};
use crate::reports::snapshot_version::SnapshotVersion;

/// A row of `numbers_daily.sql` and `numbers_all_time.sql`: a partition, and the version of the read models.
struct Row {
    generation_id: i32,
    checkpoints: String,
    today: NaiveDate,
    partition_id: Option<i32>,
    views: Option<i64>,
    top_paths: Option<String>,
    users: Option<i64>,
}

/// Reads the sums of a day, or of all time. Returns `None` where sketches have to be merged: partitions were added, and
/// several have the site.
pub(super) async fn read(
    db: &mut PgConnection,
    request: &StatsRequest,
    day: Option<NaiveDate>,
) -> Result<Option<Summary>, ReportError> {
    let (site_id, event_type) = (request.site_id.as_str(), request.event_type.as_str());
    let rows = match day {
        Some(day) => {
            sqlx::query_file_as!(Row, "src/reports/stats/sql/numbers_daily.sql", site_id, event_type, day)
                .fetch_all(db)
                .await?
        }
        None => {
            sqlx::query_file_as!(Row, "src/reports/stats/sql/numbers_all_time.sql", site_id, event_type)
                .fetch_all(db)
                .await?
        }
    };
    let mut rows = rows.into_iter();
    let row = rows.next().ok_or(ReportError::NoGeneration)?;
    if rows.next().is_some() { Ok(None) } else { row.summary(day).map(Some) }
}

impl Row {
    fn summary(self, day: Option<NaiveDate>) -> Result<Summary, ReportError> {
        let Self { generation_id, checkpoints, today, partition_id, views, top_paths, users } = self;
        let mut sums = ViewSums::default();
        if let Some((partition_id, views)) = partition_id.zip(views) {
            sums.add(ListKey { day, partition_id }, views, top_paths.as_deref())?;
        }
        // Only `meta` says how exact the number is, and reads the sketch for it.
        let users = UserSums::Counted(Count::new(count(users.unwrap_or_default())?, Accuracy::Estimated));
        Ok(Summary { version: SnapshotVersion { generation_id, checkpoints, today }, views: sums, users })
    }
}
