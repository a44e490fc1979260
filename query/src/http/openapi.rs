//! The OpenAPI document, from which `/api-docs` is made.

use utoipa::OpenApi;

/// The OpenAPI document.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tidemark: reports",
        description = "Views, users and top paths of a site. A day is the UTC day of the event's timestamp."
    ),
    paths(
        crate::http::stats,
        crate::http::lists::timeseries,
        crate::http::lists::paths,
        crate::http::lists::event_types,
        crate::http::lists::sites,
        crate::live::http::live,
    )
)]
pub(crate) struct Document;
