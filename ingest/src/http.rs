//! HTTP interface: routes, request bodies, and the description in OpenAPI.

pub mod body;
mod errors;
mod handlers;
mod messages;
mod openapi;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::post;
use service::ApiError;
use service::access::{Access, Pages};
use service::http::health::Health;

use crate::log::Log;
use crate::metrics::{self, Usage};
use crate::publish::PublishError;
use crate::submission::Rejected;

pub use handlers::EVENT_BODY_BYTES_MAX;
pub(crate) use handlers::Ingest;

/// Routes of probes and metrics.
pub(crate) fn health(ingest: &Ingest, log: Log) -> Health {
    let (queue, bodies) = (ingest.queue.clone(), ingest.bodies.clone());
    let sample = move || {
        let queue = Usage { bytes: queue.bytes(), bytes_max: queue.bytes_max() };
        metrics::sample(queue, bodies.usage());
    };
    let health = Health::new(move || std::future::ready(log.readiness()), sample);
    // After the line above, which installs the recorder that takes descriptions.
    metrics::describe(&Rejected::CODES, PublishError::ALL.map(PublishError::code));
    health
}

/// All routes for clients. `health` are the routes of probes, and of metrics where operators have no address of their own.
pub(crate) fn router(ingest: Ingest, health: Router, access: &Access) -> Router {
    let events = Router::new()
        .route("/event", post(handlers::post_event))
        .route("/events", post(handlers::post_events))
        // `Bodies` bounds them, also after they are unpacked.
        .layer(DefaultBodyLimit::disable())
        .with_state(Arc::new(ingest));
    let all = events
        .merge(openapi::router(access))
        .merge(health)
        .fallback(|| async { ApiError::not_found() })
        .method_not_allowed_fallback(|| async { ApiError::wrong_method() });
    // Pages of any origin may send events: there is nothing to steal here. A key may be bound to some origins only.
    access.answer_pages(service::http::request_metrics::measured(access.guard(all)), Pages::Send)
}
