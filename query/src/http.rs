//! Answers of `GET /stats`, and what all reports have in common.

pub(crate) mod lists;

mod list_answer;

mod columns;

mod csv;

pub(crate) mod negotiation;

pub(crate) mod etag;

pub(crate) mod errors;

pub(crate) mod openapi;

use std::time::Instant;

use axum::extract::{FromRef, FromRequestParts, RawQuery};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use etag::CachePolicy;
use service::ApiError;
use service::access::Grant;
use service::http::ErrorBody;

use crate::metrics;
use crate::params::StatsRequest;
use crate::params::descriptions::{DayParams, EventTypeParam, SiteParam, StatsParams};
use crate::reports::query::Versioned;
use crate::reports::stats::Stats;
use crate::reports::{Reports, SharedReports};

/// The routes of reports.
pub(crate) fn router() -> Router<SharedReports> {
    Router::new().route("/stats", get(stats)).merge(lists::router())
}

impl<S> FromRequestParts<S> for Reports
where
    S: Send + Sync,
    SharedReports: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let client = Grant::from_request_parts(parts, state).await?.client().clone();
        Ok(SharedReports::from_ref(state).of_client(client))
    }
}

/// Views, users and top paths of a site on a day, on several days, or of all time.
///
/// A site without events has zeros.
#[utoipa::path(
    get,
    path = "/stats",
    tag = "reports",
    params(SiteParam, DayParams, EventTypeParam, StatsParams),
    responses(
        (status = 200, description = "All numbers are of one moment: total_views is the sum over all paths, and with include=referrers the \
            sum over all referrers, too.", body = Stats,
            headers(
                ("ETag" = String, description = "The version of this answer. Absent with meta or after, because then each answer differs."),
                ("Cache-Control" = String, description = "no-cache if the answer may contain today or a later day. Otherwise a minute; late events may \
                    still change past days.")
            ),
            example = json!({
                "site_id": "site-abc-123",
                "date": "2025-11-12",
                "total_views": 1450,
                "unique_users": 212,
                "top_paths": [
                    {"path": "/pricing", "views": 700},
                    {"path": "/blog/post-1", "views": 500},
                    {"path": "/", "views": 250}
                ]
            })),
        (status = 304, description = "The client has this answer: If-None-Match has its ETag."),
        (status = 400, description = "A parameter is missing, unknown or invalid.", body = ErrorBody),
        (status = 503, description = "The report cannot be read now. Ask again after Retry-After.",
            headers(("Retry-After" = u32, description = "Seconds to wait")), body = ErrorBody,
            example = json!({"error": "reports cannot be read at the moment; ask again later", "code": "database_unavailable"}))
    )
)]
pub(crate) async fn stats(
    reports: Reports,
    grant: Grant,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    // A report that waits for an event is a large future.
    measured(Box::pin(answer(&reports, &grant, &headers, query.as_deref()))).await
}

/// Answers a report, and measures how long that takes, by outcome: `answered`, `unchanged`, `refused` or `unavailable`.
async fn measured(answer: impl Future<Output = Result<Response, ApiError>>) -> Result<Response, ApiError> {
    let started = Instant::now();
    let answer = answer.await;
    let outcome = match &answer {
        Ok(response) if response.status() == StatusCode::NOT_MODIFIED => "unchanged",
        Ok(_) => "answered",
        Err(refusal) if refusal.status().is_client_error() => "refused",
        Err(_) => "unavailable",
    };
    metrics::answered(outcome, started.elapsed());
    answer
}

async fn answer(
    reports: &Reports,
    grant: &Grant,
    headers: &HeaderMap,
    query: Option<&str>,
) -> Result<Response, ApiError> {
    let request = StatsRequest::parse(query)?;
    let site_id = request.site_id.as_str();
    grant.check(site_id)?;
    let refuse = |err| errors::refuse(err, Some(site_id));
    // With `meta` an answer has its age; with `after` it depends on the moment of the request.
    let is_kept = !request.with_meta && request.after.is_none();
    if is_kept && etag::is_conditional(headers) {
        let caching = CachePolicy::of(&reports.version().await.map_err(refuse)?, request.period.last());
        if caching.is_known(headers) {
            return Ok(caching.not_modified());
        }
    }
    let Versioned { version, report } = reports.read(&request).await.map_err(refuse)?;
    tracing::trace!(site.id = site_id, "Answered a report");
    let caching = if is_kept { CachePolicy::of(&version, request.period.last()) } else { CachePolicy::never() };
    Ok(caching.describe(Json(report).into_response()))
}
