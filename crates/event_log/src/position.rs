//! Positions in the log.

use chrono::{DateTime, Utc};

/// The last envelope that was read of a partition. A stream continues a position if it still holds that envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Sequence of the envelope; 0 before the first.
    pub sequence: u64,
    /// Creation time of the stream whose sequence it is.
    pub stream_created: DateTime<Utc>,
    /// Time at which the log stored the envelope, if that is known.
    pub logged_at: Option<DateTime<Utc>>,
    /// Where an operator's decision has moved the position, and nothing was read since: everything that had been read
    /// before was stored at this time or before.
    pub counted_until: Option<DateTime<Utc>>,
}

impl Position {
    /// Everything that was read was stored at this time or before, if that is known.
    pub fn counted_until(&self) -> Option<DateTime<Utc>> {
        self.counted_until.max(self.logged_at)
    }

    /// Checks an envelope of the stream that has the position's sequence: is it the one that was read?
    pub(super) fn check_at(&self, found: DateTime<Utc>) -> Result<(), Mismatch> {
        match (self.logged_at, self.counted_until) {
            (Some(known), _) if known != found => Err(Mismatch::Replaced { known }),
            // Nothing was read under it: it is the end of a gap that was acknowledged.
            (None, Some(until)) if found > until => Err(Mismatch::Shifted { until }),
            _ => Ok(()),
        }
    }

    /// Checks the first envelope of the stream behind the position: is it one that was not read yet?
    pub(super) fn check_behind(&self, found: DateTime<Utc>) -> Result<(), Mismatch> {
        match self.counted_until {
            // Only after a decision: else it follows what was read, and a clock may be set back.
            Some(until) if found <= until => Err(Mismatch::Shifted { until }),
            _ => Ok(()),
        }
    }
}

/// Why a stream does not continue a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mismatch {
    /// The stream has another envelope under the sequence.
    Replaced {
        /// When the one that was read was stored.
        known: DateTime<Utc>,
    },
    /// What was read ends elsewhere in it.
    Shifted {
        /// Everything that was read was stored at this time or before.
        until: DateTime<Utc>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_762_975_801 + second, 0).expect("an instant")
    }

    fn position(logged_at: Option<i64>, counted_until: Option<i64>) -> Position {
        let (logged_at, counted_until) = (logged_at.map(at), counted_until.map(at));
        Position { sequence: 7, stream_created: at(0), logged_at, counted_until }
    }

    #[test]
    fn an_envelope_of_another_time_is_another_one() {
        assert_eq!(position(Some(5), None).check_at(at(5)), Ok(()));
        assert_eq!(position(Some(5), Some(9)).check_at(at(6)), Err(Mismatch::Replaced { known: at(5) }));
        assert_eq!(position(None, None).check_at(at(6)), Ok(()), "nothing is known");
    }

    #[test]
    fn after_a_decision_only_what_is_younger_than_all_that_was_read_is_new() {
        assert_eq!(position(Some(5), Some(9)).check_behind(at(9)), Err(Mismatch::Shifted { until: at(9) }));
        assert_eq!(position(Some(5), Some(9)).check_behind(at(10)), Ok(()));
        assert_eq!(position(None, Some(9)).check_at(at(10)), Err(Mismatch::Shifted { until: at(9) }));
        assert_eq!(position(None, Some(9)).check_at(at(8)), Ok(()));
        assert_eq!(position(Some(5), None).check_behind(at(4)), Ok(()), "a clock was set back");
        assert_eq!(position(Some(5), Some(9)).counted_until(), Some(at(9)));
        assert_eq!(position(Some(5), None).counted_until(), Some(at(5)));
    }
}
