//! A report on one day, or on all time, from the numbers that are kept beside the sketches and the lists of paths: a single
//! row, however large the site is.

use chrono::NaiveDate;
use sqlx::PgConnection;

use super::rows::Reading;
use crate::params::StatsRequest;
use crate::reports::error::ReportError;

/// A row of `numbers_daily.sql` and `numbers_all_time.sql`: a partition, and the state of the generation.
pub(super) struct Row {
    pub(super) generation_id: i32,
    pub(super) checkpoints: String,
    pub(super) today: NaiveDate,
    pub(super) partition_id: Option<i32>,
    pub(super) views: Option<i64>,
    pub(super) top_paths: Option<String>,
    pub(super) users: Option<i64>,
}

/// Reads it of a day, or of all time; none where it takes sketches: partitions were added, and several have the site.
pub(super) async fn read(
    db: &mut PgConnection,
    request: &StatsRequest,
    day: Option<NaiveDate>,
) -> Result<Option<Reading>, ReportError> {
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
    if rows.next().is_some() { Ok(None) } else { Reading::of_numbers(row, day).map(Some) }
}
