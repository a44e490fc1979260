//! `/api-docs`: the interface's description as Swagger UI shows it, and `/api-docs/openapi.json`.
//!
//! All addresses are relative to the one that they are found at: a service may be below a path of a host that a proxy takes
//! away, and knows nothing of it.

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::map_response;
use axum::response::Response;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

/// Where the pages are, with all below it.
pub(crate) const FOLDER: &str = "/api-docs";

/// From the address without a slash at its end to the one with it.
const TO_FOLDER: HeaderValue = HeaderValue::from_static("api-docs/");

/// What pages may load, and that no other page shows them in a frame. Swagger UI sets styles and pictures in what it makes.
const SECURITY: [(HeaderName, HeaderValue); 2] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; \
             form-action 'self'; frame-ancestors 'none'; object-src 'none'",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
];

/// The description, seen from the page that shows it.
const DOCUMENT: &str = "openapi.json";

/// Pages that show the description, and the description.
pub fn router<S: Clone + Send + Sync + 'static>(description: OpenApi) -> Router<S> {
    let pages = SwaggerUi::new(FOLDER).config(Config::from(DOCUMENT)).url(format!("{FOLDER}/{DOCUMENT}"), description);
    Router::from(pages).layer(map_response(async |response| answered(response)))
}

fn answered(mut response: Response) -> Response {
    let headers = response.headers_mut();
    if let Some(location) = headers.get_mut(header::LOCATION) {
        *location = TO_FOLDER;
    }
    headers.extend(SECURITY);
    response
}
