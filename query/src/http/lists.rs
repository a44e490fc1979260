//! Reports that are lists: their routes, and how they are described.

use axum::Router;
use axum::extract::RawQuery;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use service::Refusal;
use service::access::Grant;
use service::refusal::RefusalBody;

use super::measured;
use crate::http::list;
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

/// Views and users of a site, day by day, week by week, or month by month.
///
/// Every interval is there, those without events with zeros. The first and the last one end where the days end that were
/// asked for; each says which days it has. Users of an interval are counted once, however many of its days they came
/// on.
#[utoipa::path(
    get,
    path = "/timeseries",
    tag = "reports",
    params(SiteParam, TimeseriesParams, EventTypeParam, FormatParam),
    responses(
        (status = 200, description = "All intervals, of one moment.",
            headers(
                ("ETag" = String, description = "The name of this answer."),
                ("Cache-Control" = String, description = "As of /stats."),
            ),
            content(
                (Timeseries = "application/json"),
                (String = "text/csv", example = "first,last,views,unique_users\r\n2025-11-10,2025-11-16,1450,212\r\n")
            )),
        (status = 304, description = "If-None-Match names the answer that would be given: it was not read again."),
        (status = 400, description = "A parameter is missing, unknown or wrong.", body = RefusalBody),
        (status = 503, description = "Not now; Retry-After says when to ask again.",
            headers(("Retry-After" = u32, description = "Seconds")), body = RefusalBody)
    )
)]
pub(crate) async fn timeseries(
    reports: Reports,
    grant: Grant,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    measured(list::answer::<TimeseriesRequest, _>(&reports, &grant, &headers, query.as_deref())).await
}

/// All paths of a site, the most viewed ones first, page by page.
///
/// A page goes on where the one before ended, by views and path. Counts may change meanwhile: a path is then missed or
/// seen twice only if it moves past that place.
#[utoipa::path(
    get,
    path = "/paths",
    tag = "reports",
    params(SiteParam, DayParams, EventTypeParam, PathParams, PageParams, FormatParam),
    responses(
        (status = 200, description = "A page of one moment.",
            headers(
                ("ETag" = String, description = "The name of this answer."),
                ("Cache-Control" = String, description = "As of /stats."),
                ("Link" = String, description = "The next page, if there is one."),
            ),
            content(
                (Paths = "application/json"),
                (String = "text/csv", example = "path,views\r\n/pricing,700\r\n")
            )),
        (status = 304, description = "If-None-Match names the answer that would be given: it was not read again."),
        (status = 400, description = "A parameter is missing, unknown or wrong.", body = RefusalBody),
        (status = 503, description = "Not now; Retry-After says when to ask again.",
            headers(("Retry-After" = u32, description = "Seconds")), body = RefusalBody)
    )
)]
pub(crate) async fn paths(
    reports: Reports,
    grant: Grant,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    measured(list::answer::<PathsRequest, _>(&reports, &grant, &headers, query.as_deref())).await
}

/// The types of a site's events, those with the most events first.
#[utoipa::path(
    get,
    path = "/events/types",
    tag = "reports",
    params(SiteParam, DayParams, FormatParam),
    responses(
        (status = 200, description = "All types, of one moment.",
            headers(
                ("ETag" = String, description = "The name of this answer."),
                ("Cache-Control" = String, description = "As of /stats."),
            ),
            content(
                (EventTypes = "application/json"),
                (String = "text/csv", example = "event_type,views,unique_users\r\npage_view,1450,212\r\n")
            )),
        (status = 304, description = "If-None-Match names the answer that would be given: it was not read again."),
        (status = 400, description = "A parameter is missing, unknown or wrong.", body = RefusalBody),
        (status = 503, description = "Not now; Retry-After says when to ask again.",
            headers(("Retry-After" = u32, description = "Seconds")), body = RefusalBody)
    )
)]
pub(crate) async fn event_types(
    reports: Reports,
    grant: Grant,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    measured(list::answer::<EventTypesRequest, _>(&reports, &grant, &headers, query.as_deref())).await
}

/// The sites that have sent events, in byte order, page by page.
///
/// Numbers are of all time and of one type of events; sites that have sent others only are there with zeros.
#[utoipa::path(
    get,
    path = "/sites",
    tag = "reports",
    params(EventTypeParam, SitesParams, PageParams, FormatParam),
    responses(
        (status = 200, description = "A page of one moment.",
            headers(
                ("ETag" = String, description = "The name of this answer."),
                ("Cache-Control" = String, description = "As of /stats."),
                ("Link" = String, description = "The next page, if there is one."),
            ),
            content(
                (Sites = "application/json"),
                (String = "text/csv", example = "site_id,last_day,views,unique_users\r\nsite-abc-123,2025-11-12,1450,212\r\n")
            )),
        (status = 304, description = "If-None-Match names the answer that would be given: it was not read again."),
        (status = 400, description = "A parameter is missing, unknown or wrong.", body = RefusalBody),
        (status = 503, description = "Not now; Retry-After says when to ask again.",
            headers(("Retry-After" = u32, description = "Seconds")), body = RefusalBody)
    )
)]
pub(crate) async fn sites(
    reports: Reports,
    grant: Grant,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    measured(list::answer::<SitesRequest, _>(&reports, &grant, &headers, query.as_deref())).await
}
