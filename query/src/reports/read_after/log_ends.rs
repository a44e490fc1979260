//! The ends of the log as projectors saw them, which rule out receipts that no event can have.
//!
//! A projector observes the ends once a second, so an end is a moment old, and the log has grown since. A sequence is ruled out
//! only if no log grows that fast. A partition is ruled out only by an observation that began after the request: its receipt was
//! given before, so its stream was there.

use std::collections::BTreeMap;
use std::time::Duration;

use contract::Receipt;

/// Envelopes that a partition may grow by in a second: several times what one server stores without sync.
const GROWTH_PER_S_MAX: u64 = 100_000;

/// Time of growth beyond the age of an observation: for a projector that is slow to store it, and for clocks. So a receipt has
/// to be a million envelopes beyond the end.
const GROWTH_SLACK: Duration = Duration::from_secs(10);

/// An observation began after the request only if it is younger by this: storing it takes time.
const STORING_MAX: Duration = Duration::from_millis(500);

/// The end of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LogEnd {
    sequence: u64,
    /// The age of the observation; `None` if only the checkpoint is known.
    age: Option<Duration>,
}

/// The end of a stream as a projector saw it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ObservedEnd {
    pub(crate) sequence: u64,
    pub(crate) age: Duration,
}

/// The ends of all known partitions.
#[derive(Debug, Default)]
pub(crate) struct LogEnds(BTreeMap<u64, LogEnd>);

impl LogEnds {
    /// Adds a partition with its checkpoint and the observed end of its stream, as far as they are known.
    pub(crate) fn add(&mut self, partition_id: u64, checkpoint: Option<u64>, observed: Option<ObservedEnd>) {
        let end = observed.map_or(0, |observed| observed.sequence);
        let sequence = end.max(checkpoint.unwrap_or(0));
        self.0.insert(partition_id, LogEnd { sequence, age: observed.map(|observed| observed.age) });
    }

    /// Whether no event has the receipt of a request that came this long before the ends were read.
    pub(crate) fn rule_out(&self, receipt: Receipt, since_asked: Duration) -> bool {
        match self.0.get(&u64::from(receipt.partition.number())) {
            Some(end) => end.is_out_of_reach(receipt.sequence),
            None => self.youngest().is_some_and(|age| age + STORING_MAX <= since_asked),
        }
    }

    /// The age of the last observation, which is of all streams.
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
        ends.add(0, Some(9), Some(ObservedEnd { sequence: 10, age: Duration::from_millis(900) }));
        ends.add(1, Some(5), None);
        ends.add(2, None, Some(ObservedEnd { sequence: 7, age: Duration::from_hours(1) }));
        ends
    }

    fn is_ruled_out(receipt: &str, since_asked_ms: u64) -> bool {
        ends().rule_out(receipt.parse().expect("a receipt"), Duration::from_millis(since_asked_ms))
    }

    #[test]
    fn a_sequence_is_ruled_out_that_no_log_has_reached_yet() {
        assert!(is_ruled_out("0-1000011-0", 0) && is_ruled_out("0-18446744073709551615-0", 0));
        assert!(!is_ruled_out("0-1000010-0", 5_000) && !is_ruled_out("0-11-0", 5_000));
        assert!(!is_ruled_out("2-361000007-0", 0), "the last observation is an hour old");
        assert!(is_ruled_out("2-361000008-0", 0));
        assert!(!is_ruled_out("1-18446744073709551615-0", 5_000), "its end is unknown");
    }

    #[test]
    fn a_partition_is_ruled_out_by_an_observation_that_began_after_the_request() {
        assert!(!is_ruled_out("99-1-0", 0) && !is_ruled_out("99-1-0", 1_399));
        assert!(is_ruled_out("99-1-0", 1_400));
        assert!(!LogEnds::default().rule_out("99-1-0".parse().expect("a receipt"), Duration::MAX));
    }
}
