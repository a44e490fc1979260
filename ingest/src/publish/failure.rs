//! Classification of failed publications: whether the envelope may be stored all the same, and whether a retry helps.

use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::{self, ErrorCode};

/// Kind of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// A retry may succeed, and the envelope may be stored already: publish the same bytes again.
    Transient,
    /// The stream or the server has reached a bound; an immediate retry fails, too.
    Full,
    /// The log takes no message of this size. Nothing is stored.
    TooLarge,
    /// The log refuses everything that ingest publishes until a person changes its configuration. Nothing is stored.
    Refused,
}

/// Codes of bounds of streams, accounts and servers.
const FULL: [ErrorCode; 6] = [
    ErrorCode::STREAM_STORE_FAILED,
    ErrorCode::INSUFFICIENT_RESOURCES,
    ErrorCode::STORAGE_RESOURCES_EXCEEDED,
    ErrorCode::MEMORY_RESOURCES_EXCEEDED,
    ErrorCode::ACCOUNT_RESOURCES_EXCEEDED,
    ErrorCode::STREAM_MAX_STREAM_BYTES_EXCEEDED,
];

const TOO_LARGE: [ErrorCode; 2] = [ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM, ErrorCode::STREAM_HEADER_EXCEEDS_MAXIMUM];

/// Codes of a stream that is configured for another purpose, and of an account without JetStream.
const REFUSED: [ErrorCode; 17] = [
    ErrorCode::STREAM_SEALED,
    ErrorCode::STREAM_NOT_MATCH,
    ErrorCode::STREAM_MISMATCH,
    ErrorCode::STREAM_ROLLUP_FAILED,
    ErrorCode::STREAM_INVALID_CONFIG,
    ErrorCode::STREAM_WRONG_LAST_SEQUENCE,
    ErrorCode::STREAM_WRONG_LAST_MESSAGE_ID,
    ErrorCode::BAD_REQUEST,
    ErrorCode::NO_ACCOUNT,
    ErrorCode::JETSTREAM_NOT_ENABLED,
    ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT,
    ErrorCode::MESSAGE_TTL_INVALID,
    ErrorCode::MESSAGE_TTL_DISABLED,
    ErrorCode::MESSAGE_INCR_MISSING,
    ErrorCode::MESSAGE_INCR_INVALID,
    ErrorCode::MESSAGE_COUNTER_BROKEN,
    ErrorCode::REQUIRED_API_LEVEL,
];

impl Failure {
    pub(super) fn of(err: &PublishError) -> Self {
        match (err.kind(), source(err).map(jetstream::Error::error_code)) {
            (PublishErrorKind::MaxPayloadExceeded, _) => Self::TooLarge,
            (PublishErrorKind::WrongLastMessageId | PublishErrorKind::WrongLastSequence, _) => Self::Refused,
            (_, Some(code)) => Self::of_code(code),
            // No leader, no connection, no answer.
            (_, None) => Self::Transient,
        }
    }

    fn of_code(code: ErrorCode) -> Self {
        if FULL.contains(&code) {
            Self::Full
        } else if TOO_LARGE.contains(&code) {
            Self::TooLarge
        } else if REFUSED.contains(&code) {
            Self::Refused
        } else {
            Self::Transient
        }
    }
}

fn source(err: &PublishError) -> Option<&jetstream::Error> {
    std::error::Error::source(err).and_then(|source| source.downcast_ref())
}

/// The error with the server's description of it.
pub(super) fn chain(err: &PublishError) -> String {
    source(err).map_or_else(|| err.to_string(), |description| format!("{err}: {description}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_log_says_is_told_apart() {
        for (kind, failure) in [
            (PublishErrorKind::MaxPayloadExceeded, Failure::TooLarge),
            (PublishErrorKind::WrongLastSequence, Failure::Refused),
            (PublishErrorKind::StreamNotFound, Failure::Transient),
            (PublishErrorKind::TimedOut, Failure::Transient),
            (PublishErrorKind::BrokenPipe, Failure::Transient),
            (PublishErrorKind::MaxAckPending, Failure::Transient),
        ] {
            assert_eq!(Failure::of(&PublishError::new(kind)), failure, "{kind:?}");
        }
        assert_eq!(Failure::of_code(ErrorCode::STREAM_STORE_FAILED), Failure::Full);
        assert_eq!(Failure::of_code(ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM), Failure::TooLarge);
        assert_eq!(Failure::of_code(ErrorCode::STREAM_SEALED), Failure::Refused);
        assert_eq!(Failure::of_code(ErrorCode::CLUSTER_NOT_LEADER), Failure::Transient);
    }
}
