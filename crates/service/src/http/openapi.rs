//! `/api-docs`: Swagger UI, and the description of the interface at `/api-docs/openapi.json`.
//!
//! All links are relative: a proxy may serve the interface below a path of its own.

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::map_response;
use axum::response::Response;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

/// Path of the pages.
pub(crate) const FOLDER: &str = "/api-docs";

/// Redirect from the path without a slash at its end to the path with one.
const TO_FOLDER: HeaderValue = HeaderValue::from_static("api-docs/");

/// Headers that bound what the pages may load, and forbid other pages to frame them. Swagger UI needs inline styles and
/// pictures.
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

/// Path of the description, relative to the page.
const DOCUMENT: &str = "openapi.json";

/// Routes of Swagger UI and of the description.
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
