//! Answers to requests that the guard rejects.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::http::ApiError;
use crate::http::rate_limit::RateExceeded;

/// Values of `WWW-Authenticate`. Browsers ask for a password if they see the second one.
const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"Tidemark\"");
const BASIC: HeaderValue = HeaderValue::from_static("Basic realm=\"Tidemark\", charset=\"UTF-8\"");

/// Reason for which a request does not reach its handler.
pub(super) enum Rejection {
    /// The request has no key.
    NoKey,
    /// The key is not known, or cannot be read.
    InvalidKey,
    /// The key was revoked.
    RevokedKey,
    /// The key is bound to other origins.
    Origin,
    /// Pages of this origin may not read.
    UnlistedOrigin,
    /// The key permits some sites, and the answer is about all.
    NotForAllSites,
    /// The client exceeds a rate.
    Rate(RateExceeded),
}

impl Rejection {
    /// The answer; if a key would help, it says how to send one.
    pub(super) fn answer(&self, takes_basic: bool) -> Response {
        let mut response = self.error().into_response();
        let headers = response.headers_mut();
        if matches!(self, Self::NoKey | Self::InvalidKey | Self::RevokedKey) {
            headers.append(header::WWW_AUTHENTICATE, BEARER);
            if takes_basic {
                headers.append(header::WWW_AUTHENTICATE, BASIC);
            }
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    fn error(&self) -> ApiError {
        match self {
            Self::NoKey => ApiError::unauthorized(
                "key_required",
                "a key is required: send it as Authorization: Bearer, or as the parameter key",
            ),
            Self::InvalidKey => ApiError::unauthorized("invalid_key", "the key is not known here"),
            Self::RevokedKey => ApiError::unauthorized("revoked_key", "the key was revoked"),
            Self::Origin => ApiError::forbidden("origin_not_allowed", "the key does not permit pages of this origin"),
            Self::UnlistedOrigin => ApiError::forbidden(
                "origin_not_allowed",
                "pages of this origin may not read reports; QUERY_ORIGINS names those that may",
            ),
            Self::NotForAllSites => ApiError::forbidden("all_sites_required", "this requires a key for all sites"),
            Self::Rate(exceeded) => exceeded.error(),
        }
    }
}
