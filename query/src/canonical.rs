//! The canonical form of a query string: every parameter that has an effect, in a fixed order. Reading the form gives the same
//! request again. Fuzzing uses it, which knows no request.

use axum::http::HeaderMap;
use chrono::NaiveDate;
use service::ApiError;
use service::http::query_string;

use crate::dashboard;
use crate::http::negotiation::Format;
use crate::live::Topic;
use crate::params::{
    EventTypesRequest, ListParams, Pairs, ParamError, PathsRequest, RawParams, SitesRequest, StatsRequest,
    TimeseriesRequest,
};

/// A route that takes a query string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// `GET /stats`.
    Stats,
    /// `GET /timeseries`.
    Timeseries,
    /// `GET /paths`.
    Paths,
    /// `GET /events/types`.
    EventTypes,
    /// `GET /sites`.
    Sites,
    /// `GET /live`.
    Live,
    /// A page of the dashboard.
    Page,
}

impl Target {
    /// Every target.
    pub const ALL: [Self; 7] =
        [Self::Stats, Self::Timeseries, Self::Paths, Self::EventTypes, Self::Sites, Self::Live, Self::Page];

    /// The canonical form of a query string on a day.
    ///
    /// # Errors
    ///
    /// The query string is refused. A page answers with a sentence instead of a code.
    pub fn canonical(self, query: &str, today: NaiveDate) -> Result<String, ApiError> {
        let pairs = match self {
            Self::Stats => StatsRequest::parse(Some(query))?.pairs(),
            Self::Timeseries => list::<TimeseriesRequest>(query)?,
            Self::Paths => list::<PathsRequest>(query)?,
            Self::EventTypes => list::<EventTypesRequest>(query)?,
            Self::Sites => list::<SitesRequest>(query)?,
            Self::Live => Topic::parse(Some(query))?.pairs(),
            Self::Page => dashboard::pairs(query, today)?,
        };
        Ok(query_string::written(pairs))
    }
}

fn list<L: ListParams>(query: &str) -> Result<Pairs, ParamError> {
    let mut params = RawParams::read(Some(query), L::PARAMETERS)?;
    let format = Format::of(params.take("format").as_deref(), &HeaderMap::new())?;
    let mut pairs = L::check(&mut params)?.pairs();
    pairs.push(("format", format.name().to_owned()));
    Ok(pairs)
}
