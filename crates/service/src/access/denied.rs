//! What is told to those whose requests do not reach a handler.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::meter::Counted;
use super::rate::Excess;
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
    /// No origin of pages that may read is this one.
    UnlistedOrigin,
    /// It is for some sites, and this is about all.
    NotForAllSites,
    /// It exceeds a rate.
    TooMuch {
        /// Whose rate: an address's, or a key's.
        of: &'static str,
        /// What is counted.
        counted: Counted,
        /// By how much.
        excess: Excess,
    },
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

    pub(super) fn refusal(&self) -> Refusal {
        match self {
            Self::NoKey => Refusal::unauthorized(
                "key_required",
                "a key is required: send it as Authorization: Bearer, or as the parameter key",
            ),
            Self::InvalidKey => Refusal::unauthorized("invalid_key", "the key is not known here"),
            Self::RevokedKey => Refusal::unauthorized("revoked_key", "the key was revoked"),
            Self::Origin => Refusal::forbidden("origin_not_allowed", "the key is not good for pages of this origin"),
            Self::UnlistedOrigin => Refusal::forbidden(
                "origin_not_allowed",
                "pages of this origin may not read reports; QUERY_ORIGINS names those that may",
            ),
            Self::NotForAllSites => {
                Refusal::forbidden("all_sites_required", "this takes a key that is good for all sites")
            }
            Self::TooMuch { of, counted, excess: Excess::Wait(wait) } => {
                let error = format!("too many {} of this {of}; send this again later", counted.name());
                Refusal::too_many(counted.code(), error, *wait)
            }
            Self::TooMuch { of, counted, excess: Excess::Never(most) } => {
                let name = counted.name();
                let error =
                    format!("at most {most} {name} of this {of} are taken at once; send fewer {name} in each request");
                Refusal::too_large("batch_exceeds_rate", error)
            }
        }
    }
}

impl Counted {
    fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Events => "events",
            Self::Bytes => "bytes",
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::Requests => "too_many_requests",
            Self::Events => "too_many_events_per_second",
            Self::Bytes => "too_many_bytes_per_second",
        }
    }
}
