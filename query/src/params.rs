//! Query strings, read strictly. A filter that is not understood is refused, because a report without it would look right
//! and be wrong.

/// Raw parameters, and how the value of each is read.
mod raw;

/// Why a query string is refused.
mod error;

/// Descriptions of parameters for the OpenAPI document.
pub(crate) mod descriptions;

/// The UTC days of a report.
mod period;

/// Days, weeks and months of the calendar.
mod interval;

/// The cursor behind the last entry of a page.
mod cursor;

/// The trait of the parameters of lists.
mod list;

/// Parameters of `GET /stats`.
mod stats;

/// Parameters of `GET /timeseries`.
mod timeseries;

/// Parameters of `GET /paths`.
mod paths;

/// Parameters of `GET /events/types`.
mod event_types;

/// Parameters of `GET /sites`.
mod sites;

pub(crate) use error::ParamError;
pub(crate) use event_types::EventTypesRequest;
pub(crate) use interval::{Buckets, Interval};
pub(crate) use list::ListParams;
pub(crate) use paths::PathsRequest;
pub(crate) use period::{DayRange, Period};
pub(crate) use raw::RawParams;
pub(crate) use sites::SitesRequest;
pub(crate) use stats::{Include, StatsRequest};
pub(crate) use timeseries::{Metrics, TimeseriesRequest};

/// Names and values of parameters.
pub(crate) type Pairs = Vec<(&'static str, String)>;
