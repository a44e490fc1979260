//! Which receipts no event can have, by where projectors saw the log end.
//!
//! A projector looks once a second, so what it saw is a moment old, and the log has grown since. A sequence is ruled out
//! only where no log grows that fast. A partition is ruled out only by a look that began after the request did: its
//! receipt was given before, so its stream was there.

use std::collections::BTreeMap;
use std::time::Duration;

use contract::Receipt;

/// Envelopes that a partition's stream may grow by in a second: some times what one server stores without sync.
const GROWTH_PER_S_MAX: u64 = 100_000;

/// Time that a stream is taken to have grown beyond the age of a look: a projector that is slow to tell what it saw, and
/// clocks. A receipt has to be a million envelopes beyond the end.
const GROWTH_SLACK: Duration = Duration::from_secs(10);

/// A look counts as one that began after the request only if it is younger by so much: telling it takes time.
const TELLING_MAX: Duration = Duration::from_millis(500);

/// Where one stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LogEnd {
    sequence: u64,
    /// Since it was looked at. None: only its checkpoint is known.
    age: Option<Duration>,
}

/// Of all partitions that are known.
#[derive(Debug, Default)]
pub(crate) struct LogEnds(BTreeMap<u64, LogEnd>);

impl LogEnds {
    /// Adds a partition with its checkpoint, and with where its stream ended and how long ago that was seen.
    pub(crate) fn add(&mut self, partition_id: u64, contained: Option<u64>, observed: Option<(u64, Duration)>) {
        let end = observed.map_or(0, |(sequence, _)| sequence);
        let sequence = end.max(contained.unwrap_or(0));
        self.0.insert(partition_id, LogEnd { sequence, age: observed.map(|(_, age)| age) });
    }

    /// Whether no event has the receipt, which was asked for this long before these were read.
    pub(crate) fn rule_out(&self, receipt: Receipt, since_asked: Duration) -> bool {
        match self.0.get(&u64::from(receipt.partition.number())) {
            Some(end) => end.is_out_of_reach(receipt.sequence),
            None => self.youngest().is_some_and(|age| age + TELLING_MAX <= since_asked),
        }
    }

    /// The age of the last look: it is at all streams that there are.
    fn youngest(&self) -> Option<Duration> {
        self.0.values().filter_map(|end| end.age).min()
    }
}

impl LogEnd {
    fn is_out_of_reach(self, sequence: u64) -> bool {
        self.age.is_some_and(|age| {
            let grown = age.saturating_add(GROWTH_SLACK).as_secs().saturating_mul(GROWTH_PER_S_MAX);
            sequence > self.sequence.saturating_add(grown)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends() -> LogEnds {
        let mut ends = LogEnds::default();
        ends.add(0, Some(9), Some((10, Duration::from_millis(900))));
        ends.add(1, Some(5), None);
        ends.add(2, None, Some((7, Duration::from_hours(1))));
        ends
    }

    fn is_ruled_out(receipt: &str, since_asked_ms: u64) -> bool {
        ends().rule_out(receipt.parse().expect("a receipt"), Duration::from_millis(since_asked_ms))
    }

    #[test]
    fn a_sequence_is_ruled_out_that_no_log_has_reached_yet() {
        assert!(is_ruled_out("0-1000011-0", 0) && is_ruled_out("0-18446744073709551615-0", 0));
        assert!(!is_ruled_out("0-1000010-0", 5_000) && !is_ruled_out("0-11-0", 5_000));
        assert!(!is_ruled_out("2-361000007-0", 0), "nobody has looked for an hour");
        assert!(is_ruled_out("2-361000008-0", 0));
        assert!(!is_ruled_out("1-18446744073709551615-0", 5_000), "nobody knows where it ends");
    }

    #[test]
    fn a_partition_is_ruled_out_by_a_look_that_began_after_the_request() {
        assert!(!is_ruled_out("99-1-0", 0) && !is_ruled_out("99-1-0", 1_399));
        assert!(is_ruled_out("99-1-0", 1_400));
        assert!(!LogEnds::default().rule_out("99-1-0".parse().expect("a receipt"), Duration::MAX));
    }
}
