//! What an attempt to publish came to that is no `PubAck`: whether the same bytes may be stored yet, and who can help.

use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::{self, ErrorCode};

/// The kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It may pass, and the envelope may be stored all the same: publish the same bytes again.
    Passing,
    /// The stream or the server is at a bound that trying again at once does not move.
    Full,
    /// The log takes no message of this size; nothing is stored.
    TooLarge,
    /// The log refuses whatever ingest publishes; nothing is stored, and a person has to change something.
    Refused,
}

/// Bounds of streams, accounts and servers.
const FULL: [ErrorCode; 6] = [
    ErrorCode::STREAM_STORE_FAILED,
    ErrorCode::INSUFFICIENT_RESOURCES,
    ErrorCode::STORAGE_RESOURCES_EXCEEDED,
    ErrorCode::MEMORY_RESOURCES_EXCEEDED,
    ErrorCode::ACCOUNT_RESOURCES_EXCEEDED,
    ErrorCode::STREAM_MAX_STREAM_BYTES_EXCEEDED,
];

const TOO_LARGE: [ErrorCode; 2] = [ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM, ErrorCode::STREAM_HEADER_EXCEEDS_MAXIMUM];

/// What a stream says that is set up for something else, or an account without JetStream.
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
    /// What kind of failure this is.
    pub(crate) fn of(err: &PublishError) -> Self {
        match (err.kind(), source(err).map(jetstream::Error::error_code)) {
            (PublishErrorKind::MaxPayloadExceeded, _) => Self::TooLarge,
            (PublishErrorKind::WrongLastMessageId | PublishErrorKind::WrongLastSequence, _) => Self::Refused,
            (_, Some(code)) => Self::of_code(code),
            // No leader, no connection, no answer.
            (_, None) => Self::Passing,
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
            Self::Passing
        }
    }
}

fn source(err: &PublishError) -> Option<&jetstream::Error> {
    std::error::Error::source(err).and_then(|source| source.downcast_ref())
}

/// What went wrong, with what the server says of it.
pub(crate) fn chain(err: &PublishError) -> String {
    source(err).map_or_else(|| err.to_string(), |said| format!("{err}: {said}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_log_says_is_told_apart() {
        for (kind, failure) in [
            (PublishErrorKind::MaxPayloadExceeded, Failure::TooLarge),
            (PublishErrorKind::WrongLastSequence, Failure::Refused),
            (PublishErrorKind::StreamNotFound, Failure::Passing),
            (PublishErrorKind::TimedOut, Failure::Passing),
            (PublishErrorKind::BrokenPipe, Failure::Passing),
            (PublishErrorKind::MaxAckPending, Failure::Passing),
        ] {
            assert_eq!(Failure::of(&PublishError::new(kind)), failure, "{kind:?}");
        }
        assert_eq!(Failure::of_code(ErrorCode::STREAM_STORE_FAILED), Failure::Full);
        assert_eq!(Failure::of_code(ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM), Failure::TooLarge);
        assert_eq!(Failure::of_code(ErrorCode::STREAM_SEALED), Failure::Refused);
        assert_eq!(Failure::of_code(ErrorCode::CLUSTER_NOT_LEADER), Failure::Passing);
    }
}
