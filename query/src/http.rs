//! Routes, and what errors become there.

use std::borrow::Cow;
use std::time::Instant;

use axum::extract::{RawQuery, State};
use axum::http::Method;
use axum::routing::get;
use axum::{Json, Router};
use service::refusal::RefusalBody;
use service::{Refusal, health};
use tower_http::cors::{Any, CorsLayer};
use utoipa::OpenApi;
use utoipa_swagger_ui::SwaggerUi;

use crate::arrivals;
use crate::live::{self, Live};
use crate::openapi::Document;
use crate::readiness::{self, Unready};
use crate::request::{InvalidRequest, Parameters, Request};
use crate::stats::{Reports, Stats, StatsError};

/// Everything that is answered.
pub(crate) fn router(reports: Reports, live: Live) -> Router {
    let probed = reports.clone();
    let health = health::router(move || ready(probed.clone()));
    // After the line above, which installs the recorder that takes descriptions.
    metrics::describe_histogram!(DURATION_S, metrics::Unit::Seconds, "From a report's request to its answer");
    arrivals::describe_metrics();
    live::describe_metrics();
    Router::new()
        .route("/stats", get(stats))
        .with_state(reports)
        .merge(live::router(live))
        .merge(SwaggerUi::new("/api-docs").url("/api-docs/openapi.json", Document::openapi()))
        .merge(health)
        .fallback(|| async { Refusal::not_found() })
        .method_not_allowed_fallback(|| async { Refusal::wrong_method() })
        // Reports are read by browsers from wherever their dashboards are.
        .layer(CorsLayer::new().allow_origin(Any).allow_methods([Method::GET]).allow_headers(Any))
}

/// Views, users and top paths of a site: of a day, of some days, or of all time.
///
/// A site that sent nothing has zeros.
#[utoipa::path(
    get,
    path = "/stats",
    tag = "reports",
    params(Parameters),
    responses(
        (status = 200, description = "All numbers of one moment: total_views is the sum over all paths. With include=referrers it is the \
            sum over all referrers, too.", body = Stats,
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
        (status = 400, description = "A parameter is missing, unknown or wrong.", body = RefusalBody),
        (status = 503, description = "Not now; Retry-After says when to ask again.",
            headers(("Retry-After" = u32, description = "Seconds")), body = RefusalBody,
            example = json!({"error": "reports cannot be read at the moment; ask again later"}))
    )
)]
pub(crate) async fn stats(State(reports): State<Reports>, RawQuery(query): RawQuery) -> Result<Json<Stats>, Refusal> {
    let started = Instant::now();
    let answer = answer(&reports, query.as_deref()).await;
    let outcome = match &answer {
        Ok(_) => "answered",
        Err(refusal) if refusal.status().is_client_error() => "refused",
        Err(_) => "unavailable",
    };
    metrics::histogram!(DURATION_S, "outcome" => outcome).record(started.elapsed());
    answer.map(Json)
}

/// One series an outcome: `answered`, `refused` or `unavailable`. Its count is the number of reports.
const DURATION_S: &str = "query_report_duration_seconds";

async fn answer(reports: &Reports, query: Option<&str>) -> Result<Stats, Refusal> {
    let request = Request::parse(query)?;
    let site_id = request.site_id.as_str();
    let read = reports.read(&request).await;
    read.inspect(|_| tracing::trace!(site.id = site_id, "Answered a report")).map_err(|err| {
        let refusal = unavailable(&err);
        let is_expected = matches!(err, StatsError::NotContained(_) | StatsError::TooManyWaiting);
        let error = format!("{:#}", anyhow::Error::from(err));
        // A client brings these about by itself, as often as it likes, with a receipt that nobody was given.
        if is_expected {
            tracing::debug!(site.id = site_id, error, "Cannot answer a report yet");
        } else {
            tracing::warn!(site.id = site_id, error, "Cannot answer a report");
        }
        refusal
    })
}

impl From<InvalidRequest> for Refusal {
    fn from(err: InvalidRequest) -> Self {
        Self::bad_request(err.to_string())
    }
}

/// What a client is told. Causes stay in the log.
fn unavailable(err: &StatsError) -> Refusal {
    let sentence: Cow<'static, str> = match err {
        StatsError::NoGeneration => "there are no read models yet; ask again when the projector has made them".into(),
        StatsError::NoReferrers => {
            "the active generation does not count referrers yet; ask again when the rebuild is done".into()
        }
        StatsError::TimedOut => "the report took too long; ask again later, or for fewer days".into(),
        StatsError::NoConnection | StatsError::Database(_) => {
            "reports cannot be read at the moment; ask again later".into()
        }
        StatsError::CorruptSketch(_)
        | StatsError::CorruptTopPaths(_)
        | StatsError::KeysDiffer(_)
        | StatsError::Negative => {
            "what is stored about the site is damaged and has to be rebuilt by an operator".into()
        }
        StatsError::NotContained(receipt) => {
            format!("reports do not contain the event of receipt {receipt} yet; ask again later").into()
        }
        StatsError::TooManyWaiting => "too many reports wait for their events to arrive; ask again later".into(),
    };
    Refusal::unavailable(sentence)
}

async fn ready(reports: Reports) -> Result<(), String> {
    readiness::check(&reports.db, reports.timeout).await.map_err(|err| {
        let sentence = err.to_string();
        if let Unready::Database(_) = err {
            tracing::warn!(
                error = format!("{:#}", anyhow::Error::from(err)),
                "Cannot tell whether reports can be read"
            );
        }
        sentence
    })
}
