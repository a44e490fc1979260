//! Views and users of a site, day by day, week by week, or month by month.

use chrono::NaiveDate;
use contract::{EventType, SiteId};
use futures_util::TryStreamExt;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};

use crate::canonical::Pairs;
use crate::listing::{Cell, List, Table};
use crate::report_error::ReportError;
use crate::request::{InvalidRequest, Sent};
use crate::tally::Tally;
use crate::users;
use crate::version::Version;

/// Days, weeks and months of the calendar.
mod interval;

pub(crate) use interval::{Bucket, Interval};

/// Days of any time series: ten years and some. In days that is as many buckets, of 100 bytes in JSON; in weeks, or in months
/// that are not summed up or of which some days are asked for, as many sketches of at most 12 KB are read, 45 MB, of which one interval's are in memory.
const DAYS_MAX: i64 = 3_660;

/// A time series that can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) site_id: SiteId<'static>,
    pub(crate) event_type: EventType<'static>,
    pub(crate) first: NaiveDate,
    pub(crate) last: NaiveDate,
    pub(crate) interval: Interval,
    pub(crate) metrics: Metrics,
}

/// What is counted in each interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Metrics {
    pub(crate) views: bool,
    pub(crate) unique_users: bool,
}

/// What only a time series takes, described.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "this is a description: nothing is ever read into it")]
pub(crate) struct TimeseriesParameters {
    /// The first UTC day.
    #[param(example = "2025-11-01")]
    from: NaiveDate,
    /// The last UTC day, inclusive. A time series has at most 3,660 days, whatever the interval.
    #[param(example = "2025-11-30")]
    to: NaiveDate,
    /// `day`, `week` or `month`. A week begins on Monday, as ISO 8601 has it.
    #[param(example = "day", default = "day", pattern = "^(day|week|month)$")]
    interval: Option<String>,
    /// `views`, `unique_users`, or both. Without users nothing has to be merged, so it is read sooner.
    #[param(
        example = "views,unique_users",
        default = "views,unique_users",
        pattern = "^(views|unique_users|views,unique_users|unique_users,views)$"
    )]
    metrics: Option<String>,
}

/// A time series.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Timeseries {
    /// Whose traffic it is.
    #[schema(example = "site-abc-123")]
    pub(crate) site_id: String,
    /// Events of this type are counted.
    #[schema(example = "page_view")]
    pub(crate) event_type: String,
    /// Of which length the intervals are.
    pub(crate) interval: Interval,
    /// All intervals between the two days that were asked for, in their order, also those without events.
    pub(crate) buckets: Vec<BucketCounts>,
}

/// The numbers of an interval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct BucketCounts {
    #[serde(flatten)]
    pub(crate) bucket: Bucket,
    /// Events of the type, if they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 1450)]
    pub(crate) views: Option<u64>,
    /// Different users among them, if they were asked for. Who comes in several intervals is in each of them, so they
    /// must not be added up.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 212)]
    pub(crate) unique_users: Option<u64>,
}

impl Metrics {
    pub(crate) const ALL: Self = Self { views: true, unique_users: true };

    fn parse(text: &str) -> Result<Self, InvalidRequest> {
        let mut metrics = Self { views: false, unique_users: false };
        for name in text.split(',') {
            let metric = match name {
                "views" => &mut metrics.views,
                "unique_users" => &mut metrics.unique_users,
                _ => return Err(InvalidRequest::Metrics),
            };
            if std::mem::replace(metric, true) {
                return Err(InvalidRequest::Metrics);
            }
        }
        Ok(metrics)
    }
}

impl List for Request {
    type Report = Timeseries;

    const PARAMETERS: &'static [&'static str] =
        &["site_id", "from", "to", "event_type", "interval", "metrics", "format"];

    fn check(sent: &mut Sent) -> Result<Self, InvalidRequest> {
        let site_id = sent.site_id()?;
        let (Some(first), Some(last)) = (sent.day("from")?, sent.day("to")?) else {
            return Err(InvalidRequest::RangeRequired);
        };
        if first > last {
            return Err(InvalidRequest::Backwards);
        }
        if (last - first).num_days() >= DAYS_MAX {
            return Err(InvalidRequest::RangeTooLong { days_max: DAYS_MAX });
        }
        Ok(Self {
            site_id,
            first,
            last,
            event_type: sent.event_type()?,
            interval: sent.take("interval").map_or(Ok(Interval::Day), |text| Interval::parse(&text))?,
            metrics: sent.take("metrics").map_or(Ok(Metrics::ALL), |text| Metrics::parse(&text))?,
        })
    }

    fn pairs(&self) -> Pairs {
        let metrics = [("views", self.metrics.views), ("unique_users", self.metrics.unique_users)];
        let metrics: Vec<_> = metrics.into_iter().filter_map(|(name, is_asked)| is_asked.then_some(name)).collect();
        vec![
            ("site_id", self.site_id.as_str().to_owned()),
            ("from", self.first.to_string()),
            ("to", self.last.to_string()),
            ("event_type", self.event_type.as_str().to_owned()),
            ("interval", self.interval.name().to_owned()),
            ("metrics", metrics.join(",")),
        ]
    }

    fn site_id(&self) -> Option<&str> {
        Some(self.site_id.as_str())
    }

    fn last_day(&self) -> Option<NaiveDate> {
        Some(self.last)
    }

    async fn read(&self, db: &mut PgConnection) -> Result<(Version, Timeseries), ReportError> {
        let mut rows = sqlx::query_file!(
            "src/timeseries.sql",
            self.site_id.as_str(),
            self.event_type.as_str(),
            self.first,
            self.last,
            self.interval.name(),
            self.metrics.views,
            self.metrics.unique_users,
        )
        .fetch(db);
        let (mut version, mut building) = (None, Building::of(self));
        while let Some(row) = rows.try_next().await? {
            version.get_or_insert(Version {
                generation_id: row.generation_id,
                checkpoints: row.checkpoints,
                today: row.today,
            });
            let Some(day) = row.day else { continue };
            let tally = building.tally_of(day)?;
            if let Some(views) = row.views {
                tally.add_views(views)?;
                continue;
            }
            let users = row.users.unwrap_or_default();
            match (row.users_most.zip(row.users_low).zip(row.users_high), row.sketch) {
                (Some(((most, low), high)), Some(sketch)) => {
                    let users = users::Summed { least: users, most, low, high };
                    tally.add_summed_users(day, users.try_into()?, sketch)?;
                }
                (_, sketch) => tally.add_users(Some(day), users, sketch)?,
            }
        }
        Ok((version.ok_or(ReportError::NoGeneration)?, building.end()?))
    }
}

/// A time series of which the days come one by one, in their order.
struct Building<'a> {
    request: &'a Request,
    coming: interval::Buckets,
    open: Bucket,
    tally: Tally,
    buckets: Vec<BucketCounts>,
}

impl<'a> Building<'a> {
    fn of(request: &'a Request) -> Self {
        let mut coming = request.interval.buckets(request.first, request.last);
        let open = coming.next().expect("a range has a day");
        Self { request, coming, open, tally: Tally::default(), buckets: Vec::new() }
    }

    /// Where a day's numbers go. All buckets before are closed.
    fn tally_of(&mut self, day: NaiveDate) -> Result<&mut Tally, ReportError> {
        while day > self.open.last
            && let Some(next) = self.coming.next()
        {
            self.close()?;
            self.open = next;
        }
        Ok(&mut self.tally)
    }

    fn close(&mut self) -> Result<(), ReportError> {
        let mut tally = std::mem::take(&mut self.tally);
        let Metrics { views, unique_users } = self.request.metrics;
        self.buckets.push(BucketCounts {
            bucket: self.open,
            views: views.then_some(tally.views),
            unique_users: unique_users.then(|| tally.unique_users()).transpose()?,
        });
        Ok(())
    }

    fn end(mut self) -> Result<Timeseries, ReportError> {
        self.tally_of(NaiveDate::MAX)?;
        self.close()?;
        Ok(Timeseries {
            site_id: self.request.site_id.as_str().to_owned(),
            event_type: self.request.event_type.as_str().to_owned(),
            interval: self.request.interval,
            buckets: self.buckets,
        })
    }
}

impl From<Timeseries> for Table {
    fn from(timeseries: Timeseries) -> Self {
        let first = &timeseries.buckets[0];
        let columns =
            [Some("first"), Some("last"), first.views.and(Some("views")), first.unique_users.and(Some("unique_users"))];
        let rows = timeseries.buckets.into_iter().map(|counts| {
            let days = [counts.bucket.first, counts.bucket.last].map(|day| Cell::Day(Some(day)));
            days.into_iter()
                .chain([counts.views, counts.unique_users].into_iter().flatten().map(Cell::Number))
                .collect()
        });
        Self { columns: columns.into_iter().flatten().collect(), rows: Box::new(rows) }
    }
}
