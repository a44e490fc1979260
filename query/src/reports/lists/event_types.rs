//! The event types of a site, with their events and users.

use chrono::NaiveDate;
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::params::EventTypesRequest;
use crate::reports::error::ReportError;
use crate::reports::query::{Query, Versioned};
use crate::reports::row_totals::RowTotals;
use crate::reports::snapshot_version::SnapshotVersion;

/// Event types of any answer: those with the most events. A site has a handful of types. If every event has a type of its own,
/// the answer has 100 KB, and as many sketches a day are read.
const TYPES_MAX: u16 = 1_000;

/// The event types of a site.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventTypes {
    /// The site.
    #[schema(example = "site-abc-123")]
    pub(crate) site_id: String,
    /// The event types, at most 1,000: those with the most events first, equal ones in byte order.
    pub(crate) event_types: Vec<EventTypeCounts>,
}

/// The numbers of a type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct EventTypeCounts {
    #[schema(example = "page_view")]
    pub(crate) event_type: String,
    /// The number of events of the type.
    #[schema(example = 1450)]
    pub(crate) views: u64,
    /// Distinct users.
    #[schema(example = 212)]
    pub(crate) unique_users: u64,
}

/// A row of `daily.sql` and `all_time.sql`: a type's views, or some of its users.
struct Row {
    generation_id: i32,
    checkpoints: String,
    today: NaiveDate,
    event_type: Option<String>,
    day: Option<NaiveDate>,
    views: Option<i64>,
    users: Option<i64>,
    sketch: Option<Vec<u8>>,
}

impl EventTypesRequest {
    fn rows<'a>(&'a self, db: &'a mut PgConnection) -> BoxStream<'a, sqlx::Result<Row>> {
        let (site_id, types_max) = (self.site_id.as_str(), i64::from(TYPES_MAX));
        match self.period.days() {
            None => sqlx::query_file_as!(Row, "src/reports/lists/sql/event_types_all_time.sql", site_id, types_max)
                .fetch(db),
            Some((first, last)) => sqlx::query_file_as!(
                Row,
                "src/reports/lists/sql/event_types_daily.sql",
                site_id,
                first,
                last,
                types_max
            )
            .fetch(db),
        }
    }
}

impl Query for EventTypesRequest {
    type Answer = Versioned<EventTypes>;

    async fn read(&self, db: &mut PgConnection) -> Result<Versioned<EventTypes>, ReportError> {
        let mut rows = self.rows(db);
        let (mut version, mut event_types) = (None, Vec::new());
        let mut open: Option<Open> = None;
        while let Some(row) = rows.try_next().await? {
            version.get_or_insert(SnapshotVersion {
                generation_id: row.generation_id,
                checkpoints: row.checkpoints,
                today: row.today,
            });
            let Some(event_type) = row.event_type else { continue };
            if open.as_ref().is_none_or(|open| open.event_type != event_type) {
                event_types.extend(open.take().map(Open::close).transpose()?);
            }
            let Open { totals, .. } = open.get_or_insert_with(|| Open { event_type, totals: RowTotals::default() });
            match (row.views, row.users) {
                (Some(views), _) => totals.add_views(views)?,
                (None, users) => totals.add_users(row.day, users.unwrap_or_default(), row.sketch)?,
            }
        }
        event_types.extend(open.take().map(Open::close).transpose()?);
        event_types
            .sort_by(|one, other| other.views.cmp(&one.views).then_with(|| one.event_type.cmp(&other.event_type)));
        let version = version.ok_or(ReportError::NoGeneration)?;
        Ok(Versioned { version, report: EventTypes { site_id: self.site_id.as_str().to_owned(), event_types } })
    }
}

/// An event type whose rows are being read.
struct Open {
    event_type: String,
    totals: RowTotals,
}

impl Open {
    fn close(mut self) -> Result<EventTypeCounts, ReportError> {
        let (views, unique_users) = (self.totals.views, self.totals.unique_users()?);
        Ok(EventTypeCounts { event_type: self.event_type, views, unique_users })
    }
}
