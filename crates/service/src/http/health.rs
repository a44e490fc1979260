//! Probes and metrics: `/healthz` (the process is alive), `/readyz` (it can work, or what it lacks) and `/metrics` (for
//! Prometheus).

use std::future::Future;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_util::MetricKindMask;

use super::client_ip::Proxies;
use super::probe_limit::bounded;
use super::{ApiError, METRICS_PATH, PROBE_PATHS, request_metrics};

/// Buckets of a histogram of durations, in seconds.
const SECONDS: [f64; 12] = [0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// Buckets of a histogram of batches, in events.
const EVENTS: [f64; 12] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 1_000.0, 20_000.0, 200_000.0, 2_000_000.0];

/// Buckets of a histogram of sizes, in bytes: from one small event to the largest envelope.
const BYTES: [f64; 8] = [256.0, 1_024.0, 4_096.0, 16_384.0, 65_536.0, 131_072.0, 196_608.0, 262_144.0];

/// Interval at which samples of histograms are added up; until then each is kept, 400 kB at 50,000 requests a second.
const UPKEEP_PAUSE: Duration = Duration::from_secs(1);

/// Age at which a gauge is no longer shown: its subject is gone, or cannot be read.
const GAUGE_IDLE_MAX: Duration = Duration::from_mins(1);

/// Routes of probes and metrics.
pub struct Health {
    /// Routes of the probes.
    probes: Router,
    /// Route of the metrics, which name hosts of the internal network.
    metrics: Router,
}

/// Routes of probes and metrics. Each `/readyz` calls `ready`, whose error is a sentence for an operator. Each `/metrics`
/// calls `sample`, which sets gauges that are only read then; it must not wait.
pub fn router<Ready, Answer>(ready: Ready, sample: impl Fn() + Clone + Send + Sync + 'static) -> Router
where
    Ready: Fn() -> Answer + Clone + Send + Sync + 'static,
    Answer: Future<Output = Result<(), String>> + Send + 'static,
{
    let Health { probes, metrics } = Health::new(ready, sample);
    bounded(probes, Proxies::default()).merge(metrics)
}

impl Health {
    /// As [`router`], not yet merged.
    pub fn new<Ready, Answer>(ready: Ready, sample: impl Fn() + Clone + Send + Sync + 'static) -> Self
    where
        Ready: Fn() -> Answer + Clone + Send + Sync + 'static,
        Answer: Future<Output = Result<(), String>> + Send + 'static,
    {
        let metrics = recorder();
        let probes = Router::new()
            .route(PROBE_PATHS[0], get(|| async { "ok\n" }))
            .route(PROBE_PATHS[1], get(move || readiness(ready())))
            .method_not_allowed_fallback(|| async { ApiError::wrong_method() });
        let metrics = Router::new()
            .route(METRICS_PATH, get(move || std::future::ready(shown(metrics, &sample))))
            .method_not_allowed_fallback(|| async { ApiError::wrong_method() });
        Self { probes, metrics }
    }

    /// Routes for clients behind these proxies, and routes for operators. Metrics are only among the latter if operators have
    /// an address of their own. There probes have no rate limit, which clients could use up.
    pub fn split(self, operators: Option<SocketAddr>, proxies: &Proxies) -> (Router, Router) {
        let Self { probes, metrics } = self;
        let bounded = bounded(probes.clone(), proxies.clone());
        match operators {
            Some(_) => (bounded, probes.merge(metrics)),
            None => (bounded.merge(metrics), Router::new()),
        }
    }
}

fn shown(metrics: &PrometheusHandle, sample: &impl Fn()) -> Response {
    sample();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render()).into_response()
}

async fn readiness(answer: impl Future<Output = Result<(), String>>) -> Response {
    match answer.await {
        Ok(()) => (StatusCode::OK, "ready\n").into_response(),
        Err(lack) => ApiError::unavailable("not_ready", lack).into_response(),
    }
}

/// Installs the recorder of metrics once, and starts the task that keeps it small while `/metrics` is not asked for.
fn recorder() -> &'static PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER.get_or_init(|| {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
            .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_events".to_owned()), &EVENTS))
            .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_bytes".to_owned()), &BYTES))
            .map(|builder| builder.idle_timeout(MetricKindMask::GAUGE, Some(GAUGE_IDLE_MAX)))
            .and_then(PrometheusBuilder::install_recorder)
            .expect("there are buckets, and nothing else in the process installs a recorder");
        request_metrics::describe_metrics();
        let kept = recorder.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(UPKEEP_PAUSE).await;
                kept.run_upkeep();
            }
        });
        recorder
    })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use axum::body::Body;
    use axum::http::Request;
    use hyper::service::Service;
    use hyper_util::service::TowerToHyperService;

    use super::super::client_ip::Peer;
    use super::*;

    /// More than a client may ask a second.
    const MANY: usize = 2_000;

    const PROXY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 0, 0, 5)), 4711);

    async fn status(router: &Router, client: Option<&str>) -> StatusCode {
        let mut request = Request::get("/readyz").extension(Peer(PROXY));
        if let Some(client) = client {
            request = request.header("x-forwarded-for", client);
        }
        let router = TowerToHyperService::new(router.clone());
        router.call(request.body(Body::empty()).expect("a request")).await.expect("an answer").status()
    }

    #[tokio::test]
    async fn clients_do_not_use_up_the_probes_of_their_proxy_or_of_operators() {
        let health = Health::new(|| std::future::ready(Ok(())), || ());
        let proxies = Proxies::try_from("10.0.0.5".to_owned()).expect("an address");
        let (public, operators) = health.split(Some(PROXY), &proxies);
        // However slow this machine is: until the limit is reached.
        while status(&public, Some("203.0.113.1")).await == StatusCode::OK {}
        assert_eq!(status(&public, Some("203.0.113.2")).await, StatusCode::OK, "another client");
        assert_eq!(status(&public, None).await, StatusCode::OK, "the proxy itself");
        for _ in 0..MANY {
            assert_eq!(status(&operators, None).await, StatusCode::OK, "operators");
        }
    }
}
