//! What is told to those whose requests do not reach a handler.

use std::time::Duration;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::Refusal;

/// How a key is asked for, by the schemes of HTTP. Browsers ask for a password where they see the second.
const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"Tidemark\"");
const BASIC: HeaderValue = HeaderValue::from_static("Basic realm=\"Tidemark\", charset=\"UTF-8\"");

/// Why a request does not reach its handler.
pub(super) enum Denied {
    /// There is none.
    NoKey,
    /// It is not known, or cannot be read.
    InvalidKey,
    /// It was taken back.
    RevokedKey,
    /// It is for pages of other origins.
    Origin,
    /// It is for some sites, and this is about all.
    NotForAllSites,
    /// By whom, and how long to wait.
    TooOften(&'static str, Duration),
}

impl Denied {
    /// The answer; where a key would help it says how to send one.
    pub(super) fn answer(&self, takes_basic: bool) -> Response {
        let mut response = self.refusal().into_response();
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

    fn refusal(&self) -> Refusal {
        match self {
            Self::NoKey => Refusal::unauthorized(
                "key_required",
                "a key is required: send it as Authorization: Bearer, or as the parameter key",
            ),
            Self::InvalidKey => Refusal::unauthorized("invalid_key", "the key is not known here"),
            Self::RevokedKey => Refusal::unauthorized("revoked_key", "the key was revoked"),
            Self::Origin => Refusal::forbidden("origin_not_allowed", "the key is not good for pages of this origin"),
            Self::NotForAllSites => {
                Refusal::forbidden("all_sites_required", "this takes a key that is good for all sites")
            }
            Self::TooOften(of, wait) => Refusal::too_many(
                "too_many_requests",
                format!("too many requests of this {of}; ask again later"),
                *wait,
            ),
        }
    }
}
