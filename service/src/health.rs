//! `/healthz`: the process lives. `/readyz`: it can do its work, or what it lacks. `/metrics`: numbers for Prometheus.

use std::future::Future;
use std::sync::OnceLock;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::refusal::Refusal;

/// The three routes. `ready` is asked each time; its error is a sentence for an operator.
pub fn router<Ready, Answer>(ready: Ready) -> Router
where
    Ready: Fn() -> Answer + Clone + Send + Sync + 'static,
    Answer: Future<Output = Result<(), String>> + Send + 'static,
{
    let metrics = recorder();
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(move || readiness(ready())))
        .route("/metrics", get(move || async move { metrics.render() }))
}

async fn readiness(answer: impl Future<Output = Result<(), String>>) -> Response {
    match answer.await {
        Ok(()) => (StatusCode::OK, "ready\n").into_response(),
        Err(lack) => Refusal::unavailable(lack).into_response(),
    }
}

/// The process' one recorder of metrics.
fn recorder() -> &'static PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER.get_or_init(|| {
        PrometheusBuilder::new().install_recorder().expect("nothing else in the process installs a recorder")
    })
}
