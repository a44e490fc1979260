//! All paths of a site, page by page.
//!
//! A page continues behind the last entry of the page before, by views and path. A path whose views change meanwhile is missed
//! or repeated only if it moves past that entry.

use chrono::NaiveDate;
use contract::path::normalized;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::params::PathsRequest;
use crate::reports::error::{ReportError, count};
use crate::reports::query::{Query, Versioned};
use crate::reports::snapshot_version::SnapshotVersion;
use crate::reports::stats::PathViews;

/// A page of paths.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the field is what the list is called in answers")]
pub(crate) struct Paths {
    /// The site.
    #[schema(example = "site-abc-123")]
    pub(crate) site_id: String,
    /// Events of this type are counted.
    #[schema(example = "page_view")]
    pub(crate) event_type: String,
    /// The paths: the most viewed first, equal ones in byte order.
    pub(crate) paths: Vec<PathViews>,
    /// The cursor of the next page; null if there is none.
    pub(crate) next_cursor: Option<String>,
}

/// A row of `daily.sql` and `all_time.sql`.
struct Row {
    generation_id: i32,
    checkpoints: String,
    today: NaiveDate,
    path: Option<String>,
    views: Option<i64>,
}

impl PathsRequest {
    async fn rows(&self, db: &mut PgConnection) -> sqlx::Result<Vec<Row>> {
        let (site_id, event_type) = (self.site_id.as_str(), self.event_type.as_str());
        // One row more than the page shows whether there is another page.
        let rows_max = i64::from(self.paths_max) + 1;
        let views = self.after.as_ref().map(|after| i64::try_from(after.number).unwrap_or(i64::MAX));
        let path = self.after.as_ref().map(|after| after.key.as_str());
        let (prefix, search) = (self.prefix.as_str(), self.search.as_str());
        let (normal_prefix, normal_search) = (normalized(prefix), normalized(search));
        match self.period.days() {
            None => {
                sqlx::query_file_as!(
                    Row,
                    "src/reports/lists/sql/paths_all_time.sql",
                    site_id,
                    event_type,
                    prefix,
                    search,
                    views,
                    path,
                    rows_max,
                    normal_prefix.as_ref(),
                    normal_search.as_ref()
                )
                .fetch_all(db)
                .await
            }
            Some((first, last)) => {
                sqlx::query_file_as!(
                    Row,
                    "src/reports/lists/sql/paths_daily.sql",
                    site_id,
                    event_type,
                    first,
                    last,
                    prefix,
                    search,
                    views,
                    path,
                    rows_max,
                    normal_prefix.as_ref(),
                    normal_search.as_ref()
                )
                .fetch_all(db)
                .await
            }
        }
    }
}

impl Query for PathsRequest {
    type Answer = Versioned<Paths>;

    async fn read(&self, db: &mut PgConnection) -> Result<Versioned<Paths>, ReportError> {
        let rows = self.rows(db).await?;
        let first = rows.first().ok_or(ReportError::NoGeneration)?;
        let version = SnapshotVersion {
            generation_id: first.generation_id,
            checkpoints: first.checkpoints.clone(),
            today: first.today,
        };
        let paths = rows.into_iter().filter_map(|row| row.path.zip(row.views));
        let paths = paths.map(|(path, views)| Ok(PathViews { path, views: count(views)? }));
        let mut paths = paths.collect::<Result<Vec<_>, ReportError>>()?;
        let has_more = paths.len() > self.paths_max.into();
        paths.truncate(self.paths_max.into());
        let last = paths.last().filter(|_| has_more);
        let next_cursor = last.map(|last| self.cursor_behind(&last.path, last.views));
        let (site_id, event_type) = (self.site_id.as_str().to_owned(), self.event_type.as_str().to_owned());
        Ok(Versioned { version, report: Paths { site_id, event_type, paths, next_cursor } })
    }
}
