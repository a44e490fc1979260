//! The rows of all days of a period, or of all time. They are added up as they come: a long range takes no more memory than
//! a short one.

use chrono::NaiveDate;
use contract::sketch::{Accuracy, Count};
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use sqlx::PgConnection;

use super::summary::{Summary, UserSums, ViewSums};
use super::top_k::ListKey;
use crate::params::StatsRequest;
use crate::reports::error::{ReportError, count};
use crate::reports::snapshot_version::SnapshotVersion;
use crate::reports::unique_users::UniqueUsers;

/// A row of `daily.sql` and `all_time.sql`: the version of the read models, or views, or users.
#[derive(Default)]
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

/// The sums of the rows so far.
#[derive(Default)]
struct Sums {
    version: Option<SnapshotVersion>,
    views: ViewSums,
    users: UniqueUsers,
}

/// Reads the sums of a report. After an error `db` may have rows left to read.
pub(super) async fn read(db: &mut PgConnection, request: &StatsRequest) -> Result<Summary, ReportError> {
    let mut rows = rows(db, request);
    let mut sums = Sums::default();
    while let Some(row) = rows.try_next().await? {
        sums.add(row)?;
    }
    let version = sums.version.ok_or(ReportError::NoGeneration)?;
    Ok(Summary { version, views: sums.views, users: UserSums::Sketches(sums.users) })
}

fn rows<'a>(db: &'a mut PgConnection, request: &'a StatsRequest) -> BoxStream<'a, sqlx::Result<Row>> {
    let (site_id, event_type) = (request.site_id.as_str(), request.event_type.as_str());
    match request.period.days() {
        None => sqlx::query_file_as!(Row, "src/reports/stats/sql/all_time.sql", site_id, event_type).fetch(db),
        Some((first, last)) => {
            sqlx::query_file_as!(Row, "src/reports/stats/sql/daily.sql", site_id, event_type, first, last).fetch(db)
        }
    }
}

impl Sums {
    /// Adds a row; those of a day come together.
    fn add(&mut self, row: Row) -> Result<(), ReportError> {
        match row {
            Row { generation_id: Some(generation_id), checkpoints: Some(checkpoints), today: Some(today), .. } => {
                self.version = Some(SnapshotVersion { generation_id, checkpoints, today });
                Ok(())
            }
            Row { partition_id: Some(partition_id), views: Some(views), day, top_paths, .. } => {
                self.views.add(ListKey { day, partition_id }, views, top_paths.as_deref())
            }
            Row { users: Some(users), sketch: Some(sketch), day, .. } => {
                let users = Count::new(count(users)?, Accuracy::of_stored(&sketch)?);
                Ok(self.users.add(day, users, sketch)?)
            }
            // The row of the version, where no generation is active.
            Row {
                generation_id: None, day: None, partition_id: None, views: None, users: None, sketch: None, ..
            } => Err(ReportError::NoGeneration),
            _ => Err(ReportError::UnexpectedRow),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_without_a_known_shape_is_an_error() {
        let no_partition = Row { views: Some(1), ..Row::default() };
        let no_sketch = Row { users: Some(1), ..Row::default() };
        for row in [no_partition, no_sketch] {
            assert!(matches!(Sums::default().add(row), Err(ReportError::UnexpectedRow)));
        }
        assert!(matches!(Sums::default().add(Row::default()), Err(ReportError::NoGeneration)));
    }
}
