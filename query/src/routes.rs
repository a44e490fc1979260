//! All routes of the service.

use axum::Router;
use service::ApiError;
use service::access::Access;
use service::http::health::Health;
use service::http::{openapi, request_metrics};
use utoipa::OpenApi;

use crate::db::readiness::Readiness;
use crate::http::openapi::Document;
use crate::live::{self, Live};
use crate::metrics::{self, Gauges};
use crate::reports::SharedReports;
use crate::{dashboard, http};

/// The routes of probes and of metrics.
pub(crate) fn health(reports: &SharedReports, live: &Live, readiness: Readiness) -> Health {
    let (sampled_reports, sampled_live) = (reports.clone(), live.clone());
    let ready = move || {
        let readiness = readiness.clone();
        async move { readiness.current().await.map_err(|lack| lack.to_string()) }
    };
    let health = Health::new(ready, move || metrics::sample(&gauges(&sampled_reports, &sampled_live)));
    // After `Health::new`, which installs the recorder that takes descriptions.
    metrics::describe();
    health
}

fn gauges(reports: &SharedReports, live: &Live) -> Gauges {
    let (reports_in_progress, reports_max) = reports.in_progress();
    let (live_clients, live_clients_max) = live.clients();
    Gauges {
        reports: reports_in_progress,
        reports_max,
        live_clients,
        live_clients_max,
        connections: reports.connections(),
    }
}

/// All routes. `health` has the routes of probes, and of metrics if operators have no address of their own.
pub(crate) fn router(reports: SharedReports, live: Live, health: Router, access: &Access) -> Router {
    let all = Router::new()
        .merge(http::router())
        .merge(dashboard::router())
        .with_state(reports)
        .merge(live::router(live))
        .merge(openapi::router(access.describe(Document::openapi())))
        .merge(health)
        .fallback(|| async { ApiError::not_found() })
        .method_not_allowed_fallback(|| async { ApiError::wrong_method() });
    request_metrics::measured(access.guard(all))
}
