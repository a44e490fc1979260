//! Error answers: a status, a stable code, one sentence, and when to try again.

use std::borrow::Cow;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// Seconds after which a client may try again where no better time is known.
const RETRY_AFTER_S: u64 = 1;

/// An error answer; its body is `{"error": "…", "code": "…"}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    error: Cow<'static, str>,
    retry_after_s: Option<u64>,
}

/// Code of an error answer, for metrics: an extension of the response.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ErrorCode(pub(crate) &'static str);

/// Body of an error answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RefusalBody)]
pub struct ErrorBody {
    /// One sentence that names what is wrong, and the rule.
    #[schema(example = "site_id is required")]
    pub error: Cow<'static, str>,
    /// Kind of the error, for programs. The code is stable; sentences may change.
    #[schema(example = "missing_parameter")]
    pub code: &'static str,
}

impl ApiError {
    /// 400: the request is wrong, and a retry fails, too.
    pub fn bad_request(code: &'static str, error: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, error)
    }

    /// 401: the client is not known. The caller adds `WWW-Authenticate`.
    pub fn unauthorized(code: &'static str, error: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, error)
    }

    /// 403: the client is known, and not permitted.
    pub fn forbidden(code: &'static str, error: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, error)
    }

    /// 429: the client has exceeded a rate, and may try again after `wait`.
    pub fn too_many(code: &'static str, error: impl Into<Cow<'static, str>>, wait: Duration) -> Self {
        // Rounded up: a retry a moment too early would fail.
        let retry_after_s = Some(wait.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX).max(1));
        Self { retry_after_s, ..Self::new(StatusCode::TOO_MANY_REQUESTS, code, error) }
    }

    /// 413: the request is too large.
    pub fn too_large(code: &'static str, error: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, code, error)
    }

    /// 415: the encoding of the request is not supported.
    pub fn unsupported(code: &'static str, error: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code, error)
    }

    /// 408: the client has sent its request too slowly.
    pub fn too_slow(code: &'static str, error: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, code, error)
    }

    /// 404: no route has this path.
    pub fn not_found() -> Self {
        let error = "nothing is here; the interface is described at /api-docs";
        Self::new(StatusCode::NOT_FOUND, "not_found", error)
    }

    /// 421: the request is for another host.
    pub fn misdirected() -> Self {
        let error = "this service is not known by the name in Host; QUERY_HOSTS names those beside localhost, such as that of a \
            proxy on the same machine";
        Self::new(StatusCode::MISDIRECTED_REQUEST, "unknown_host", error)
    }

    /// 431: the request has more header fields than any client needs.
    pub(crate) fn too_many_fields(fields_max: usize) -> Self {
        let error = format!("the request has more than {fields_max} header fields; send fewer");
        Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "too_many_fields", error)
    }

    /// 405: the path has no such method.
    pub fn wrong_method() -> Self {
        let error = "this path takes another method; the interface is described at /api-docs";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", error)
    }

    /// 503: a retry may succeed, and the answer says when.
    pub fn unavailable(code: &'static str, error: impl Into<Cow<'static, str>>) -> Self {
        Self { retry_after_s: Some(RETRY_AFTER_S), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code, error) }
    }

    fn new(status: StatusCode, code: &'static str, error: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, error: error.into(), retry_after_s: None }
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The code of the answer.
    pub fn code(&self) -> &'static str {
        self.code
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let code = ErrorCode(self.code);
        let mut response = (self.status, Json(ErrorBody { error: self.error, code: self.code })).into_response();
        response.extensions_mut().insert(code);
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
