//! Views and users of a site by day, week or month.

use chrono::NaiveDate;
use futures_util::TryStreamExt;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::params::{Buckets, DayRange, Interval, Metrics, TimeseriesRequest};
use crate::reports::error::ReportError;
use crate::reports::query::{Query, Versioned};
use crate::reports::row_totals::RowTotals;
use crate::reports::snapshot_version::SnapshotVersion;
use crate::reports::unique_users::StoredBounds;

/// A time series.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Timeseries {
    /// The site.
    #[schema(example = "site-abc-123")]
    pub(crate) site_id: String,
    /// Events of this type are counted.
    #[schema(example = "page_view")]
    pub(crate) event_type: String,
    /// The length of the intervals.
    pub(crate) interval: Interval,
    /// All intervals of the requested days, in order, with those without events.
    pub(crate) buckets: Vec<BucketCounts>,
}

/// The numbers of an interval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct BucketCounts {
    #[serde(flatten)]
    pub(crate) bucket: DayRange,
    /// The number of events of the type, if it was requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 1450)]
    pub(crate) views: Option<u64>,
    /// Distinct users, if they were requested. A user who comes in several intervals is counted in each, so the numbers must
    /// not be added up.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 212)]
    pub(crate) unique_users: Option<u64>,
}

impl Query for TimeseriesRequest {
    type Answer = Versioned<Timeseries>;

    async fn read(&self, db: &mut PgConnection) -> Result<Versioned<Timeseries>, ReportError> {
        let mut rows = sqlx::query_file!(
            "src/reports/lists/sql/timeseries.sql",
            self.site_id.as_str(),
            self.event_type.as_str(),
            self.days.first,
            self.days.last,
            self.interval.name(),
            self.metrics.views,
            self.metrics.unique_users,
        )
        .fetch(db);
        let (mut version, mut building) = (None, Building::of(self));
        while let Some(row) = rows.try_next().await? {
            version.get_or_insert(SnapshotVersion {
                generation_id: row.generation_id,
                checkpoints: row.checkpoints,
                today: row.today,
            });
            let Some(day) = row.day else { continue };
            let totals = building.totals_of(day)?;
            if let Some(views) = row.views {
                totals.add_views(views)?;
                continue;
            }
            let users = row.users.unwrap_or_default();
            match (row.users_most.zip(row.users_low).zip(row.users_high), row.sketch) {
                (Some(((most, low), high)), Some(sketch)) => {
                    let users = StoredBounds { least: users, most, low, high };
                    totals.add_summed_users(day, users.try_into()?, sketch)?;
                }
                (_, sketch) => totals.add_users(Some(day), users, sketch)?,
            }
        }
        Ok(Versioned { version: version.ok_or(ReportError::NoGeneration)?, report: building.end()? })
    }
}

/// A time series whose days come one by one, in order.
struct Building<'a> {
    request: &'a TimeseriesRequest,
    coming: Buckets,
    open: DayRange,
    totals: RowTotals,
    buckets: Vec<BucketCounts>,
}

impl<'a> Building<'a> {
    fn of(request: &'a TimeseriesRequest) -> Self {
        let mut coming = request.interval.buckets(request.days);
        let open = coming.next().expect("a range has a day");
        Self { request, coming, open, totals: RowTotals::default(), buckets: Vec::new() }
    }

    /// The totals that a day belongs to. All buckets before it are closed.
    fn totals_of(&mut self, day: NaiveDate) -> Result<&mut RowTotals, ReportError> {
        while day > self.open.last
            && let Some(next) = self.coming.next()
        {
            self.close()?;
            self.open = next;
        }
        Ok(&mut self.totals)
    }

    fn close(&mut self) -> Result<(), ReportError> {
        let mut totals = std::mem::take(&mut self.totals);
        let Metrics { views, unique_users } = self.request.metrics;
        self.buckets.push(BucketCounts {
            bucket: self.open,
            views: views.then_some(totals.views),
            unique_users: unique_users.then(|| totals.unique_users()).transpose()?,
        });
        Ok(())
    }

    fn end(mut self) -> Result<Timeseries, ReportError> {
        self.totals_of(NaiveDate::MAX)?;
        self.close()?;
        Ok(Timeseries {
            site_id: self.request.site_id.as_str().to_owned(),
            event_type: self.request.event_type.as_str().to_owned(),
            interval: self.request.interval,
            buckets: self.buckets,
        })
    }
}
