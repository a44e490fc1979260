//! Answers that say no: a status, one sentence for the one who asked, and when to try again.

use std::borrow::Cow;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// Seconds after which trying again makes sense.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("1");

/// A refusal; as a response it is `{"error": "…"}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    status: StatusCode,
    error: Cow<'static, str>,
}

/// Its body.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefusalBody {
    /// One sentence: what is wrong, and the rule.
    #[schema(example = "site_id is required")]
    pub error: Cow<'static, str>,
}

impl Refusal {
    /// The request is wrong and will be wrong next time.
    pub fn bad_request(error: impl Into<Cow<'static, str>>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error: error.into() }
    }

    /// The request is too large.
    pub fn too_large(error: impl Into<Cow<'static, str>>) -> Self {
        Self { status: StatusCode::PAYLOAD_TOO_LARGE, error: error.into() }
    }

    /// The request is in a form that is not read here.
    pub fn unsupported(error: impl Into<Cow<'static, str>>) -> Self {
        Self { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, error: error.into() }
    }

    /// The client took too long.
    pub fn too_slow(error: impl Into<Cow<'static, str>>) -> Self {
        Self { status: StatusCode::REQUEST_TIMEOUT, error: error.into() }
    }

    /// Nothing lives at this path.
    pub fn not_found() -> Self {
        Self { status: StatusCode::NOT_FOUND, error: "nothing is here; the interface is described at /api-docs".into() }
    }

    /// The path exists, but not with this method.
    pub fn wrong_method() -> Self {
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            error: "this path takes another method; the interface is described at /api-docs".into(),
        }
    }

    /// Not now: trying again may help, and the answer says when.
    pub fn unavailable(error: impl Into<Cow<'static, str>>) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, error: error.into() }
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(RefusalBody { error: self.error })).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_S);
        }
        response
    }
}
