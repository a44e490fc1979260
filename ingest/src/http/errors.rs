//! Answers for events that are not stored.

use contract::InvalidEvent;
use service::ApiError;
use service::access::Grant;

use crate::batch::InvalidBatch;
use crate::metrics;
use crate::publish::PublishError;
use crate::submission::Rejected;

#[expect(clippy::needless_pass_by_value, reason = "map_err passes it so")]
pub(super) fn refuse_event(reason: Rejected) -> ApiError {
    if reason == Rejected::Unsure {
        return refuse_unconfirmed(PublishError::ClocksDiffer, 1);
    }
    metrics::rejected(reason.code());
    match reason {
        Rejected::NotAllowed => Grant::refusal(),
        Rejected::Invalid(InvalidEvent::TooLarge | InvalidEvent::LineTooLarge) => {
            ApiError::too_large(reason.code(), reason.to_string())
        }
        _ => ApiError::bad_request(reason.code(), reason.to_string()),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "map_err passes it so")]
pub(super) fn refuse_batch(reason: InvalidBatch) -> ApiError {
    match reason {
        InvalidBatch::NothingAllowed => Grant::refusal(),
        InvalidBatch::NothingValid { error: Rejected::Unsure, .. } => refuse_unconfirmed(PublishError::ClocksDiffer, 1),
        InvalidBatch::TooMany => ApiError::too_large(reason.code(), reason.to_string()),
        _ => ApiError::bad_request(reason.code(), reason.to_string()),
    }
}

/// Refuses a request with 503. All of its events count as unconfirmed, though some may be stored.
pub(super) fn refuse_unconfirmed(reason: PublishError, events: usize) -> ApiError {
    metrics::unconfirmed(reason.code(), events);
    ApiError::unavailable(reason.code(), reason.to_string())
}
