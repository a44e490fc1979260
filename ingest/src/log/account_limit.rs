//! Maximum bytes of a message that the log's server accepts from ingest's account. A server announces its own `max_payload`
//! when a connection opens, and that of the account later, which the client library ignores. So ingest finds it out: each time
//! the server closes the connection because of a message that is too large, ingest halves the maximum.

use std::sync::atomic::{AtomicUsize, Ordering};

use contract::envelope::ENVELOPE_BYTES_MAX;

use super::message_size::{HEADERS_BYTES_MAX, MESSAGE_BYTES_MIN};

/// The known bound, which is kept until ingest restarts: a server does not announce that an account may send more again.
#[derive(Debug)]
pub(super) struct AccountLimit(AtomicUsize);

impl Default for AccountLimit {
    fn default() -> Self {
        Self(AtomicUsize::new(usize::MAX))
    }
}

impl AccountLimit {
    /// Bytes of a message, headers included.
    pub(super) fn bytes(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }

    /// Records that the server has refused a message as too large. The largest event is given up last.
    pub(super) fn violated(&self) {
        let halve = |bytes: usize| {
            let half = bytes.min(ENVELOPE_BYTES_MAX + HEADERS_BYTES_MAX) / 2;
            Some(if bytes > MESSAGE_BYTES_MIN { half.max(MESSAGE_BYTES_MIN) } else { half })
        };
        // Cannot fail, because `halve` always returns a value.
        let _ = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, halve);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_size_is_halved_down_to_the_largest_event_and_below() {
        let limit = AccountLimit::default();
        let mut found = vec![];
        for _ in 0..4 {
            limit.violated();
            found.push(limit.bytes());
        }
        assert_eq!(found, [131_328, 65_664, MESSAGE_BYTES_MIN, MESSAGE_BYTES_MIN / 2]);
    }
}
