//! The sites with events, page by page in the order of their names.

use chrono::NaiveDate;
use futures_util::TryStreamExt;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::params::SitesRequest;
use crate::reports::error::ReportError;
use crate::reports::query::{Query, Versioned};
use crate::reports::row_totals::RowTotals;
use crate::reports::snapshot_version::SnapshotVersion;

/// A page of sites.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the field is what the list is called in answers")]
pub(crate) struct Sites {
    /// Events of this type are counted.
    #[schema(example = "page_view")]
    pub(crate) event_type: String,
    /// All sites with events of any type, in byte order.
    pub(crate) sites: Vec<SiteCounts>,
    /// The cursor of the next page; null if there is none.
    pub(crate) next_cursor: Option<String>,
}

/// The numbers of a site, of all time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct SiteCounts {
    #[schema(example = "site-abc-123")]
    pub(crate) site_id: String,
    /// The last UTC day with events of the type; null if there are none.
    #[schema(example = "2025-11-12")]
    pub(crate) last_day: Option<NaiveDate>,
    /// The number of events of the type.
    #[schema(example = 1450)]
    pub(crate) views: u64,
    /// Distinct users.
    #[schema(example = 212)]
    pub(crate) unique_users: u64,
}

/// A site whose rows are being read.
struct Open {
    site_id: String,
    last_day: Option<NaiveDate>,
    totals: RowTotals,
}

impl Open {
    fn close(mut self) -> Result<SiteCounts, ReportError> {
        let (views, unique_users) = (self.totals.views, self.totals.unique_users()?);
        Ok(SiteCounts { site_id: self.site_id, last_day: self.last_day, views, unique_users })
    }
}

impl SitesRequest {
    fn page(&self, mut sites: Vec<SiteCounts>) -> Sites {
        let has_more = sites.len() > self.sites_max.into();
        sites.truncate(self.sites_max.into());
        let last = sites.last().filter(|_| has_more);
        let next_cursor = last.map(|last| self.cursor_behind(&last.site_id));
        Sites { event_type: self.event_type.as_str().to_owned(), sites, next_cursor }
    }
}

impl Query for SitesRequest {
    type Answer = Versioned<Sites>;

    async fn read(&self, db: &mut PgConnection) -> Result<Versioned<Sites>, ReportError> {
        let after = self.after.as_ref().map_or("", |after| after.key.as_str());
        // One row more than the page shows whether there is another page.
        let sites_max = i64::from(self.sites_max) + 1;
        let event_type = self.event_type.as_str();
        let among = self.among.as_deref();
        let mut rows = sqlx::query_file!(
            "src/reports/lists/sql/sites.sql",
            event_type,
            self.prefix,
            after,
            sites_max,
            among as Option<&[String]>
        )
        .fetch(db);
        let (mut version, mut sites) = (None, Vec::new());
        let mut open: Option<Open> = None;
        while let Some(row) = rows.try_next().await? {
            version.get_or_insert(SnapshotVersion {
                generation_id: row.generation_id,
                checkpoints: row.checkpoints,
                today: row.today,
            });
            let Some(site_id) = row.site_id else { continue };
            if open.as_ref().is_none_or(|open| open.site_id != site_id) {
                sites.extend(open.take().map(Open::close).transpose()?);
            }
            let open = open.get_or_insert_with(|| Open { site_id, last_day: None, totals: RowTotals::default() });
            open.last_day = open.last_day.or(row.last_day);
            match (row.views, row.users) {
                (Some(views), _) => open.totals.add_views(views)?,
                (None, users) => open.totals.add_users(None, users.unwrap_or_default(), row.sketch)?,
            }
        }
        sites.extend(open.take().map(Open::close).transpose()?);
        Ok(Versioned { version: version.ok_or(ReportError::NoGeneration)?, report: self.page(sites) })
    }
}
