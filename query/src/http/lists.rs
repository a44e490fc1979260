//! Handlers of reports that are lists, with their OpenAPI descriptions.

use axum::Router;
use axum::extract::RawQuery;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use service::ApiError;
use service::access::Grant;
use service::http::ErrorBody;

use super::measured;
use crate::http::list_answer;
use crate::params::descriptions::{
    DayParams, EventTypeParam, FormatParam, PageParams, PathParams, SiteParam, SitesParams, TimeseriesParams,
};
use crate::params::{EventTypesRequest, PathsRequest, SitesRequest, TimeseriesRequest};
use crate::reports::lists::event_types::EventTypes;
use crate::reports::lists::paths::Paths;
use crate::reports::lists::sites::Sites;
use crate::reports::lists::timeseries::Timeseries;
use crate::reports::{Reports, SharedReports};

pub(super) fn router() -> Router<SharedReports> {
    Router::new()
        .route("/timeseries", get(timeseries))
        .route("/paths", get(paths))
        .route("/events/types", get(event_types))
        .route("/sites", get(sites))
}

/// Views and users of a site by day, week or month.
///
/// The answer has every interval; one without events has zeros. The first and the last interval are cut to the requested days,
/// and each says which days it has. A user who comes on several days of an interval is counted once.
#[utoipa::path(
    get,
    path = "/timeseries",
    tag = "reports",
    params(SiteParam, TimeseriesParams, EventTypeParam, FormatParam),
    responses(
        (status = 200, description = "All intervals, at one moment.",
            headers(
                ("ETag" = String, description = "The version of this answer."),
                ("Cache-Control" = String, description = "As for /stats."),
            ),
            content(
                (Timeseries = "application/json"),
                (String = "text/csv", example = "first,last,views,unique_users\r\n2025-11-10,2025-11-16,1450,212\r\n")
            )),
        (status = 304, description = "The client has this answer: If-None-Match has its ETag."),
        (status = 400, description = "A parameter is missing, unknown or invalid.", body = ErrorBody),
        (status = 503, description = "The report cannot be read now. Ask again after Retry-After.",
            headers(("Retry-After" = u32, description = "Seconds to wait")), body = ErrorBody)
    )
)]
pub(crate) async fn timeseries(
    reports: Reports,
    grant: Grant,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    measured(list_answer::answer::<TimeseriesRequest, _>(&reports, &grant, &headers, query.as_deref())).await
}

/// All paths of a site, the most viewed first, page by page.
///
/// A page continues behind the last entry of the page before, by views and path. Counts may change between two pages: a path is
/// missed or repeated only if it moves past that entry.
#[utoipa::path(
    get,
    path = "/paths",
    tag = "reports",
    params(SiteParam, DayParams, EventTypeParam, PathParams, PageParams, FormatParam),
    responses(
        (status = 200, description = "A page, at one moment.",
            headers(
                ("ETag" = String, description = "The version of this answer."),
                ("Cache-Control" = String, description = "As for /stats."),
                ("Link" = String, description = "The next page, if there is one."),
            ),
            content(
                (Paths = "application/json"),
                (String = "text/csv", example = "path,views\r\n/pricing,700\r\n")
            )),
        (status = 304, description = "The client has this answer: If-None-Match has its ETag."),
        (status = 400, description = "A parameter is missing, unknown or invalid.", body = ErrorBody),
        (status = 503, description = "The report cannot be read now. Ask again after Retry-After.",
            headers(("Retry-After" = u32, description = "Seconds to wait")), body = ErrorBody)
    )
)]
pub(crate) async fn paths(
    reports: Reports,
    grant: Grant,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    measured(list_answer::answer::<PathsRequest, _>(&reports, &grant, &headers, query.as_deref())).await
}

/// The event types of a site, those with the most events first.
#[utoipa::path(
    get,
    path = "/events/types",
    tag = "reports",
    params(SiteParam, DayParams, FormatParam),
    responses(
        (status = 200, description = "All types, at one moment.",
            headers(
                ("ETag" = String, description = "The version of this answer."),
                ("Cache-Control" = String, description = "As for /stats."),
            ),
            content(
                (EventTypes = "application/json"),
                (String = "text/csv", example = "event_type,views,unique_users\r\npage_view,1450,212\r\n")
            )),
        (status = 304, description = "The client has this answer: If-None-Match has its ETag."),
        (status = 400, description = "A parameter is missing, unknown or invalid.", body = ErrorBody),
        (status = 503, description = "The report cannot be read now. Ask again after Retry-After.",
            headers(("Retry-After" = u32, description = "Seconds to wait")), body = ErrorBody)
    )
)]
pub(crate) async fn event_types(
    reports: Reports,
    grant: Grant,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    measured(list_answer::answer::<EventTypesRequest, _>(&reports, &grant, &headers, query.as_deref())).await
}

/// The sites with events, in byte order, page by page.
///
/// The numbers are of all time and of one event type. A site that has only events of other types has zeros.
#[utoipa::path(
    get,
    path = "/sites",
    tag = "reports",
    params(EventTypeParam, SitesParams, PageParams, FormatParam),
    responses(
        (status = 200, description = "A page, at one moment.",
            headers(
                ("ETag" = String, description = "The version of this answer."),
                ("Cache-Control" = String, description = "As for /stats."),
                ("Link" = String, description = "The next page, if there is one."),
            ),
            content(
                (Sites = "application/json"),
                (String = "text/csv", example = "site_id,last_day,views,unique_users\r\nsite-abc-123,2025-11-12,1450,212\r\n")
            )),
        (status = 304, description = "The client has this answer: If-None-Match has its ETag."),
        (status = 400, description = "A parameter is missing, unknown or invalid.", body = ErrorBody),
        (status = 503, description = "The report cannot be read now. Ask again after Retry-After.",
            headers(("Retry-After" = u32, description = "Seconds to wait")), body = ErrorBody)
    )
)]
pub(crate) async fn sites(
    reports: Reports,
    grant: Grant,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    measured(list_answer::answer::<SitesRequest, _>(&reports, &grant, &headers, query.as_deref())).await
}
