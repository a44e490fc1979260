//! Sizes of messages. An envelope has headers beside its body, and both together must fit what the log takes.

use contract::envelope::ENVELOPE_BYTES_MAX;
use contract::event::EVENT_LINE_BYTES_MAX;

/// Maximum bytes of an envelope's headers: 10 for their first line, 37 for the id, 34 for the stream, 18 for the
/// schema, 19 for the count, 35 for the time, 70 for the trace, and as much again for what is added later.
pub(super) const HEADERS_BYTES_MAX: usize = 512;

/// Bytes that a message of the log must be allowed to have: the largest event, its line break, and headers.
pub(super) const MESSAGE_BYTES_MIN: usize = EVENT_LINE_BYTES_MAX + 1 + HEADERS_BYTES_MAX;

/// Maximum bytes of an envelope's body where a message may have `message_bytes_max`. The largest event always fits: a log
/// that does not take it is not trusted.
pub(crate) fn body_bytes_max(message_bytes_max: usize) -> usize {
    (message_bytes_max.max(MESSAGE_BYTES_MIN) - HEADERS_BYTES_MAX).min(ENVELOPE_BYTES_MAX)
}
