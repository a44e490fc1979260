//! Query strings, read strictly. A filter that is not understood is refused, because a report without it would look right
//! and be wrong.

mod raw;

mod error;

pub(crate) mod descriptions;

mod period;

mod interval;

mod cursor;

mod list;

mod stats;

mod timeseries;

mod paths;

mod event_types;

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
