//! Answers that say no: a status, one sentence for the one who asked, and when to try again.

use std::borrow::Cow;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// Seconds after which trying again makes sense, where nothing better is known.
const RETRY_AFTER_S: u64 = 1;

/// A refusal; as a response it is `{"error": "…", "code": "…"}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    status: StatusCode,
    code: &'static str,
    error: Cow<'static, str>,
    retry_after_s: Option<u64>,
}

/// Why an answer is a refusal, for whoever counts answers: an extension of the response.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RefusalCode(pub(crate) &'static str);

/// Its body.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefusalBody {
    /// One sentence: what is wrong, and the rule.
    #[schema(example = "site_id is required")]
    pub error: Cow<'static, str>,
    /// What kind of refusal it is, for programs: it stays when sentences change.
    #[schema(example = "missing_parameter")]
    pub code: &'static str,
}

impl Refusal {
    /// The request is wrong and will be wrong next time.
    pub fn bad_request(code: &'static str, error: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, error)
    }

    /// Nobody knows who asks. The answer has to say, in `WWW-Authenticate`, how to make oneself known.
    pub fn unauthorized(code: &'static str, error: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, error)
    }

    /// Whoever asks is known, and may not.
    pub fn forbidden(code: &'static str, error: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, error)
    }

    /// Whoever asks has asked too often, and may again after this time.
    pub fn too_many(code: &'static str, error: impl Into<Cow<'static, str>>, wait: Duration) -> Self {
        // Rounded up: asking a moment too early would be in vain.
        let retry_after_s = Some(wait.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX).max(1));
        Self { retry_after_s, ..Self::new(StatusCode::TOO_MANY_REQUESTS, code, error) }
    }

    /// The request is too large.
    pub fn too_large(code: &'static str, error: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, code, error)
    }

    /// The request is in a form that is not read here.
    pub fn unsupported(code: &'static str, error: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code, error)
    }

    /// The client took too long.
    pub fn too_slow(code: &'static str, error: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, code, error)
    }

    /// Nothing lives at this path.
    pub fn not_found() -> Self {
        let error = "nothing is here; the interface is described at /api-docs";
        Self::new(StatusCode::NOT_FOUND, "not_found", error)
    }

    /// The request is for another host.
    pub fn misdirected() -> Self {
        let error = "this service is not known by the name in Host; QUERY_HOSTS names those beside localhost, such as that of a \
            proxy on the same machine";
        Self::new(StatusCode::MISDIRECTED_REQUEST, "unknown_host", error)
    }

    /// The path exists, but not with this method.
    pub fn wrong_method() -> Self {
        let error = "this path takes another method; the interface is described at /api-docs";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", error)
    }

    /// Not now: trying again may help, and the answer says when.
    pub fn unavailable(code: &'static str, error: impl Into<Cow<'static, str>>) -> Self {
        Self { retry_after_s: Some(RETRY_AFTER_S), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code, error) }
    }

    fn new(status: StatusCode, code: &'static str, error: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, error: error.into(), retry_after_s: None }
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Its code.
    pub fn code(&self) -> &'static str {
        self.code
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let code = RefusalCode(self.code);
        let mut response = (self.status, Json(RefusalBody { error: self.error, code: self.code })).into_response();
        response.extensions_mut().insert(code);
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
