//! Description of the interface: `/api-docs/openapi.json`, and Swagger UI at `/api-docs`.

use axum::Router;
use service::access::Access;
use service::http::ErrorBody;
use utoipa::OpenApi;

use super::messages::{BatchAccepted, EventAccepted, EventDescription, EventRejected};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tidemark: ingest",
        description = "Accepts events. A 2xx answer means that an event is on disk and will be counted exactly once."
    ),
    paths(super::handlers::post_event, super::handlers::post_events),
    components(schemas(EventDescription, EventAccepted, BatchAccepted, EventRejected, ErrorBody))
)]
struct Description;

/// Routes of the description.
pub(crate) fn router(access: &Access) -> Router {
    service::http::openapi::router(access.describe(Description::openapi()))
}
