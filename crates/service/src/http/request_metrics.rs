//! Metrics of requests: answers by route, method and status, errors by code, and durations.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use metrics::{Counter, Histogram, Unit};

use super::api_error::ErrorCode;
use super::{METRICS_PATH, PROBE_PATHS};

/// Answers, by route, method and status.
const REQUESTS: &str = "http_requests_total";

/// Error answers, by route and code.
const REFUSALS: &str = "http_refusals_total";

/// Durations, by route.
const DURATION_S: &str = "http_request_duration_seconds";

/// Route of a path that matches none. Under its own name each invented path would create a series.
const UNMATCHED: &str = "unmatched";

/// Counts and times all requests to this router, from their headers to those of the answer.
///
/// Requests whose clients hang up before are not counted. Neither are probes: they are no traffic, and a 503 there is no
/// failure. Their 4xx answers still count as errors.
pub fn measured(router: Router) -> Router {
    router.layer(from_fn_with_state(Arc::<Series>::default(), measure))
}

/// Describes these metrics; the recorder must be installed.
pub(crate) fn describe_metrics() {
    metrics::describe_counter!(REQUESTS, Unit::Count, "Requests that were answered");
    metrics::describe_counter!(REFUSALS, Unit::Count, "Requests that were answered with an error, by its code");
    metrics::describe_histogram!(DURATION_S, Unit::Seconds, "Time from a request's headers to those of its answer");
}

/// Counts a request that was refused before it had a route.
pub(crate) fn refused(code: &'static str) {
    metrics::counter!(REFUSALS, "route" => UNMATCHED, "code" => code).increment(1);
}

async fn measure(State(series): State<Arc<Series>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = method_name(request.method());
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = matched.as_ref().map_or(UNMATCHED, MatchedPath::as_str);
    let (status, is_probe) = (response.status(), route == METRICS_PATH || PROBE_PATHS.contains(&route));
    if !is_probe {
        series.count(route, Answer { method, status }, begun.elapsed());
    }
    if let Some(ErrorCode(code)) = response.extensions().get()
        && (!is_probe || status.is_client_error())
    {
        metrics::counter!(REFUSALS, "route" => route.to_owned(), "code" => *code).increment(1);
    }
    response
}

/// Label of a method; all unknown methods share one.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Cache of the series of each route: the recorder's own search for a series costs more than counting does.
#[derive(Default)]
struct Series {
    routes: RwLock<HashMap<String, Route>>,
}

/// Labels of an answer, beside its route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Answer {
    method: &'static str,
    status: StatusCode,
}

struct Route {
    duration: Histogram,
    answers: HashMap<Answer, Counter>,
}

impl Series {
    fn count(&self, route: &str, answer: Answer, took: Duration) {
        if !self.count_known(route, answer, took) {
            self.create(route, answer);
            self.count_known(route, answer, took);
        }
    }

    fn count_known(&self, route: &str, answer: Answer, took: Duration) -> bool {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = routes.get(route) else { return false };
        let Some(answers) = known.answers.get(&answer) else { return false };
        answers.increment(1);
        known.duration.record(took);
        true
    }

    fn create(&self, route: &str, answer: Answer) {
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        let known = routes.entry(route.to_owned()).or_insert_with(|| Route {
            duration: metrics::histogram!(DURATION_S, "route" => route.to_owned()),
            answers: HashMap::new(),
        });
        known.answers.entry(answer).or_insert_with(|| {
            let (route, status) = (route.to_owned(), answer.status.as_str().to_owned());
            metrics::counter!(REQUESTS, "route" => route, "method" => answer.method, "status" => status)
        });
    }
}
