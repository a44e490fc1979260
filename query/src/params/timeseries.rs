//! Parameters of `GET /timeseries`.

use chrono::NaiveDate;
use contract::{EventType, SiteId};

use super::{DayRange, Interval, ListParams, Pairs, ParamError, RawParams};

/// Days of any time series: ten years and some. By day that is as many buckets of 100 bytes in JSON. By week, or by month
/// without summaries, as many sketches of at most 12 KB are read, 45 MB, of which those of one bucket are in memory.
const DAYS_MAX: i64 = 3_660;

/// A valid request for a time series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TimeseriesRequest {
    pub(crate) site_id: SiteId<'static>,
    pub(crate) event_type: EventType<'static>,
    pub(crate) days: DayRange,
    pub(crate) interval: Interval,
    pub(crate) metrics: Metrics,
}

/// The numbers of each bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Metrics {
    pub(crate) views: bool,
    pub(crate) unique_users: bool,
}

impl Metrics {
    pub(crate) const ALL: Self = Self { views: true, unique_users: true };

    fn parse(text: &str) -> Result<Self, ParamError> {
        let mut metrics = Self { views: false, unique_users: false };
        for name in text.split(',') {
            let metric = match name {
                "views" => &mut metrics.views,
                "unique_users" => &mut metrics.unique_users,
                _ => return Err(ParamError::Metrics),
            };
            if std::mem::replace(metric, true) {
                return Err(ParamError::Metrics);
            }
        }
        Ok(metrics)
    }
}

impl ListParams for TimeseriesRequest {
    const PARAMETERS: &'static [&'static str] =
        &["site_id", "from", "to", "event_type", "interval", "metrics", "format"];

    fn check(params: &mut RawParams) -> Result<Self, ParamError> {
        let site_id = params.site_id()?;
        let (Some(first), Some(last)) = (params.day("from")?, params.day("to")?) else {
            return Err(ParamError::RangeRequired);
        };
        if first > last {
            return Err(ParamError::Backwards);
        }
        if (last - first).num_days() >= DAYS_MAX {
            return Err(ParamError::RangeTooLong { days_max: DAYS_MAX });
        }
        Ok(Self {
            site_id,
            days: DayRange { first, last },
            event_type: params.event_type()?,
            interval: params.take("interval").map_or(Ok(Interval::Day), |text| Interval::parse(&text))?,
            metrics: params.take("metrics").map_or(Ok(Metrics::ALL), |text| Metrics::parse(&text))?,
        })
    }

    fn pairs(&self) -> Pairs {
        let metrics = [("views", self.metrics.views), ("unique_users", self.metrics.unique_users)];
        let metrics: Vec<_> = metrics.into_iter().filter_map(|(name, is_asked)| is_asked.then_some(name)).collect();
        vec![
            ("site_id", self.site_id.as_str().to_owned()),
            ("from", self.days.first.to_string()),
            ("to", self.days.last.to_string()),
            ("event_type", self.event_type.as_str().to_owned()),
            ("interval", self.interval.name().to_owned()),
            ("metrics", metrics.join(",")),
        ]
    }

    fn site_id(&self) -> Option<&str> {
        Some(self.site_id.as_str())
    }

    fn last_day(&self) -> Option<NaiveDate> {
        Some(self.days.last)
    }
}
