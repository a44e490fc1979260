//! Log time: the clock that the window of repeats is measured by. It is a function of the log, so that a rebuild forgets
//! and recognises as the first fold did, wherever batches end and projectors restart.
//!
//! Two clocks have stamped an envelope: that of the log's server, when it stored it, and that of ingest, when it sent it
//! (`Sent-At`, absent from older envelopes and those of other publishers). Either may be wrong. The rules, each with the
//! failure that it prevents:
//!
//! 1. *Every envelope moves log time*, whether its events have ids, can be read, or are erased. Otherwise ids that are
//!    noted later for a parked event lie ahead of log time, and are taken for long gone.
//! 2. *Log time never runs backwards.* Otherwise an id is noted in a slot that has been left, and forgotten too early.
//! 3. *The stored time counts up to [`TOLERANCE_MS`] behind the sent time.* Otherwise a log whose clock is years ahead
//!    makes everything forgotten at once; so would an ingest whose clock is, if its time alone counted.
//! 4. *A jump is doubted until it has lasted.* A jump is more than one window ahead where only one clock says so, and
//!    more than a day where both do. It is believed once a later envelope says a time of [`TOLERANCE_MS`] or more behind
//!    the earliest that was doubted, and then log time moves to that earliest one. An envelope that says no jump ends the
//!    doubt. Otherwise one envelope of a wrong time makes everything forgotten. Real silence is believed as well, a few
//!    envelopes later: ids are known for longer meanwhile, never for shorter.
//! 5. *Log time goes on where the believed time is far behind it*: by what has passed since the envelope before on both
//!    clocks, at most [`TOLERANCE_MS`] an envelope. Otherwise an ingest whose clock stands in the past, or one jump that
//!    was wrong and believed, stops log time for as long, and nothing is ever forgotten.
//!
//! Where ingest and log share one clock and that is wrong for longer than the tolerance, nothing in the log tells it from
//! silence: everything is forgotten once, and log time goes on by rule 5.

/// How far two clocks may be apart, and for how long a jump has to last: ingest gives nothing to a log whose clock is
/// further from its own.
pub const TOLERANCE_MS: u64 = 5 * 60 * 1_000;

/// Silence that is believed at once where both clocks say so: no window is longer.
const JUMP_OF_BOTH_MS: u64 = 24 * 60 * 60 * 1_000;

/// Log time, and what its next move hangs on. It is stored with the checkpoint. All times are milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogClock {
    /// Log time; 0 before the first envelope, and where older folds move log time by slots only.
    pub now_ms: u64,
    /// The earliest of the times ahead that are doubted.
    pub doubted_ms: Option<u64>,
    /// When the log stored the last envelope.
    pub stored_ms: Option<u64>,
    /// When ingest sent it, if it says so.
    pub sent_ms: Option<u64>,
}

/// The times of an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// When the log stored it.
    pub stored_ms: u64,
    /// When ingest sent it, if it says so.
    pub sent_ms: Option<u64>,
}

impl Times {
    /// The time that is believed of them.
    fn believed(self) -> u64 {
        self.sent_ms.map_or(self.stored_ms, |sent| self.stored_ms.min(sent.saturating_add(TOLERANCE_MS)))
    }

    /// How far ahead of log time may be believed at once.
    fn step_max(self, window_ms: u64) -> u64 {
        if self.sent_ms.is_some() { JUMP_OF_BOTH_MS } else { window_ms }
    }
}

impl LogClock {
    /// Moves on to an envelope.
    pub fn pass(&mut self, times: Times, window_ms: u64) {
        let (believed, elapsed) = (times.believed(), self.elapsed(times));
        (self.stored_ms, self.sent_ms) = (Some(times.stored_ms), times.sent_ms);
        let step_max = times.step_max(window_ms);
        let ahead = believed.saturating_sub(self.now_ms);
        if self.now_ms == 0 || ahead <= step_max {
            self.doubted_ms = None;
            if self.now_ms.saturating_sub(believed) > TOLERANCE_MS {
                self.now_ms += elapsed.min(TOLERANCE_MS);
            } else {
                self.now_ms = self.now_ms.max(believed);
            }
            return;
        }
        let earliest = self.doubted_ms.map_or(believed, |doubted| doubted.min(believed));
        if believed - earliest < TOLERANCE_MS {
            self.doubted_ms = Some(earliest);
            return;
        }
        self.now_ms = earliest;
        self.doubted_ms = (believed - earliest > step_max).then_some(believed);
    }

    /// Time since the envelope before, on both clocks where both tell.
    fn elapsed(&self, times: Times) -> u64 {
        let stored = self.stored_ms.map_or(0, |before| times.stored_ms.saturating_sub(before));
        match (self.sent_ms, times.sent_ms) {
            (Some(before), Some(sent)) => stored.min(sent.saturating_sub(before)),
            _ => stored,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::Config;

    use super::*;

    const MINUTE: u64 = 60_000;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    const NOW: u64 = 20_000 * DAY;
    const YEARS: u64 = 4_000 * DAY;

    fn of_log(stored_ms: u64) -> Times {
        Times { stored_ms, sent_ms: None }
    }

    fn of_both(stored_ms: u64, sent_ms: u64) -> Times {
        Times { stored_ms, sent_ms: Some(sent_ms) }
    }

    /// Log time behind each envelope, in minutes since the first.
    fn minutes(envelopes: &[Times]) -> Vec<u64> {
        let mut clock = LogClock::default();
        let pass = |times: &Times| {
            clock.pass(*times, HOUR);
            (clock.now_ms - NOW) / MINUTE
        };
        envelopes.iter().map(pass).collect()
    }

    #[test]
    fn log_time_is_the_stored_time_and_never_runs_backwards() {
        let stored = [0, 3, 60, 58, 59, 61].map(|minute| of_log(NOW + minute * MINUTE));
        assert_eq!(minutes(&stored), [0, 3, 60, 60, 60, 61]);
        let sent = [0, 3, 1_000].map(|minute| of_both(NOW + minute * MINUTE, NOW + minute * MINUTE - 5));
        assert_eq!(minutes(&sent), [0, 3, 1_000], "a silence of hours that both clocks tell of");
    }

    #[test]
    fn a_clock_of_the_log_that_is_ahead_is_believed_up_to_the_tolerance() {
        let ahead = (0..5).map(|minute| of_both(NOW + minute * MINUTE + YEARS, NOW + minute * MINUTE));
        let envelopes: Vec<_> = [of_both(NOW, NOW)].into_iter().chain(ahead).collect();
        assert_eq!(minutes(&envelopes), [0, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn a_clock_of_ingest_that_is_ahead_does_nothing() {
        assert_eq!(minutes(&[of_both(NOW, NOW), of_both(NOW + MINUTE, NOW + YEARS)]), [0, 1]);
    }

    #[test]
    fn a_clock_of_ingest_that_is_behind_does_not_stop_log_time() {
        let behind = (1..5).map(|minute| of_both(NOW + minute * MINUTE, NOW + minute * MINUTE - YEARS));
        let envelopes: Vec<_> = [of_both(NOW, NOW)].into_iter().chain(behind).collect();
        assert_eq!(minutes(&envelopes), [0, 0, 1, 2, 3], "only the step between both is not known");
    }

    #[test]
    fn one_envelope_of_a_wrong_clock_moves_nothing() {
        let wrong = of_log(NOW + YEARS);
        let right = |minute| of_log(NOW + minute * MINUTE);
        assert_eq!(minutes(&[right(0), wrong, right(1), wrong, wrong, right(2)]), [0, 0, 1, 1, 1, 2]);
        let both = of_both(NOW + YEARS, NOW + YEARS);
        assert_eq!(minutes(&[right(0), both, right(1)]), [0, 0, 1]);
    }

    #[test]
    fn a_silence_is_believed_once_it_has_lasted() {
        let at = |minute| of_log(NOW + minute * MINUTE);
        assert_eq!(minutes(&[at(0), at(100), at(104), at(105), at(106)]), [0, 0, 0, 100, 106]);
        assert_eq!(minutes(&[at(0), at(100), at(300), at(500)]), [0, 0, 100, 300], "one envelope every few hours");
        let wrong = of_log(NOW + YEARS);
        assert_eq!(minutes(&[at(0), wrong, at(100), at(105), at(106)]), [0, 0, 0, 100, 106]);
        assert_eq!(minutes(&[at(0), at(100), wrong, at(101), wrong, at(105)]), [0, 0, 100, 101, 101, 105]);
    }

    #[test]
    fn log_time_goes_on_behind_a_jump_that_was_believed_and_wrong() {
        let mut envelopes = vec![of_log(NOW + 500 * MINUTE)];
        envelopes.extend((0..4).map(|minute| of_log(NOW + minute * 2 * MINUTE)));
        envelopes.push(of_log(NOW + 30 * MINUTE));
        assert_eq!(minutes(&envelopes), [500, 500, 502, 504, 506, 511], "at most the tolerance at once");
    }

    fn times() -> impl Strategy<Value = Times> {
        let at = prop_oneof![8 => 0..3 * HOUR, 1 => 0..3 * DAY, 1 => YEARS..YEARS + HOUR].prop_map(|ms| NOW + ms);
        (at.clone(), prop::option::of(at)).prop_map(|(stored_ms, sent_ms)| Times { stored_ms, sent_ms })
    }

    proptest! {
        #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

        #[test]
        fn no_envelope_moves_log_time_back_or_beyond_what_was_said(envelopes in prop::collection::vec(times(), 1..50)) {
            let mut clock = LogClock::default();
            for (index, times) in envelopes.iter().enumerate() {
                let before = clock;
                clock.pass(*times, HOUR);
                prop_assert!(clock.now_ms >= before.now_ms);
                let is_jump = clock.now_ms - before.now_ms > times.step_max(HOUR);
                prop_assert!(!is_jump || index == 0 || before.doubted_ms.is_some(), "a jump was doubted before");
            }
        }

        #[test]
        fn a_wrong_time_that_does_not_last_changes_nothing(
            right in prop::collection::vec(0..2 * MINUTE, 2..50),
            wrong in prop::collection::vec((0..50usize, YEARS..YEARS + TOLERANCE_MS, any::<bool>()), 0..10),
        ) {
            let (mut with, mut without, mut now) = (LogClock::default(), LogClock::default(), NOW);
            for (index, passed) in right.iter().enumerate() {
                now += passed;
                with.pass(of_log(now), HOUR);
                without.pass(of_log(now), HOUR);
                prop_assert_eq!(with.now_ms, without.now_ms);
                for (_, ahead, is_sent) in wrong.iter().filter(|(place, ..)| *place == index) {
                    let time = NOW + ahead;
                    with.pass(Times { stored_ms: time, sent_ms: is_sent.then_some(time) }, HOUR);
                }
            }
        }
    }
}
