//! Whether a partition gets on: how much of the log lies before it, how old that is, and for how long nothing of it was
//! committed. Kept in memory, so that it is known although the database is unavailable.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

use crate::read_models::checkpoint::Checkpoint;

/// One partition's progress, as its owner knows it.
#[derive(Debug, Clone)]
pub(crate) struct LagTracker {
    /// The last sequence that is folded.
    sequence: u64,
    /// Time at which the log stored it.
    logged_at: Option<DateTime<Utc>>,
    /// The last sequence that the log was seen to have, and when; `None` before the first look.
    end: Option<(u64, Instant)>,
    /// Nothing is to be folded, whatever there is: it waits for its turn, or is not what reports come from.
    is_held: bool,
    /// Since when there is something to fold and nothing of it was committed.
    due_since: Option<Instant>,
    /// The last look at the log of which nothing is left to fold. What is left was stored later.
    drained_at: Option<Instant>,
    /// Events and envelopes folded since the partition was taken, for the mean of events an envelope.
    events: u64,
    envelopes: u64,
}

/// The part of the log that a partition has not folded.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Lag {
    pub(crate) envelopes: u64,
    /// An estimate: the log counts envelopes, and these are taken to be like those before.
    pub(crate) events: u64,
    /// Maximum age of the first of them; 0 where there is none.
    pub(crate) age: Duration,
}

/// A committed batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CommittedBatch {
    /// Sequence of its last envelope.
    pub(crate) sequence: u64,
    /// Time at which the log stored that envelope.
    pub(crate) logged_at: Option<DateTime<Utc>>,
    /// Number of its events.
    pub(crate) events: u64,
    /// Number of its envelopes.
    pub(crate) envelopes: u64,
}

impl LagTracker {
    /// Begins at the checkpoint at which a partition is taken. One that was left there by the same owner gets on no sooner for
    /// being taken again.
    pub(crate) fn resumed(before: Option<Self>, checkpoint: Checkpoint) -> Self {
        match before {
            Some(before) if before.sequence == checkpoint.sequence => before,
            before => Self {
                sequence: checkpoint.sequence,
                logged_at: checkpoint.logged_at,
                end: before.and_then(|before| before.end),
                is_held: true,
                due_since: None,
                drained_at: None,
                events: 0,
                envelopes: 0,
            },
        }
    }

    /// Notes the end of the log.
    pub(crate) fn seen(&mut self, end: u64, now: Instant) {
        self.end = Some((end, now));
        self.refresh(now);
    }

    /// Notes whether it is to be folded at all now.
    pub(crate) fn hold(&mut self, is_held: bool, now: Instant) {
        self.is_held = is_held;
        self.refresh(now);
    }

    /// Notes that a batch was committed.
    pub(crate) fn committed(&mut self, done: CommittedBatch, now: Instant) {
        self.sequence = done.sequence;
        self.logged_at = done.logged_at;
        self.events += done.events;
        self.envelopes += done.envelopes;
        self.due_since = None;
        self.refresh(now);
    }

    /// For how long there has been something to fold, and nothing of it was committed.
    pub(crate) fn stalled_for(&self, now: Instant) -> Duration {
        self.due_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// How many envelopes lie before it; `None` before the first look at the log.
    pub(crate) fn left(&self) -> Option<u64> {
        self.end.map(|(end, _)| end.saturating_sub(self.sequence))
    }

    /// What lies before it. `time` is the time of day, as the log's server has it, too.
    pub(crate) fn lag(&self, now: Instant, time: DateTime<Utc>) -> Lag {
        let envelopes = self.left().unwrap_or(0);
        if envelopes == 0 {
            return Lag::default();
        }
        // The first of them is younger than the last that was folded, and than the moment when none was left.
        let since_folded = self.logged_at.map(|logged_at| (time - logged_at).max(TimeDelta::zero()));
        let since_folded = since_folded.and_then(|age| age.to_std().ok());
        let since_drained = self.drained_at.map(|at| now.saturating_duration_since(at));
        let known = since_folded.into_iter().chain(since_drained).min();
        let events = u128::from(envelopes) * u128::from(self.events.max(1)) / u128::from(self.envelopes.max(1));
        Lag {
            envelopes,
            events: u64::try_from(events).unwrap_or(u64::MAX).max(envelopes),
            age: known.unwrap_or_else(|| self.stalled_for(now)),
        }
    }

    fn refresh(&mut self, now: Instant) {
        let Some((end, seen_at)) = self.end else { return };
        let is_drained = end <= self.sequence;
        if is_drained {
            self.drained_at = Some(seen_at);
        }
        if is_drained || self.is_held {
            self.due_since = None;
        } else {
            self.due_since.get_or_insert(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fold::DedupState;

    const SECOND: Duration = Duration::from_secs(1);

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().expect("an instant")
    }

    fn checkpoint(sequence: u64) -> Checkpoint {
        let created = time("2025-11-12T00:00:00Z");
        let logged_at = (sequence > 0).then(|| time("2025-11-12T10:00:00Z"));
        let dedup = DedupState::default();
        Checkpoint { sequence, epoch: 1, stream_created: created, logged_at, counted_until: None, dedup }
    }

    fn batch(sequence: u64, envelopes: u64, events: u64) -> CommittedBatch {
        CommittedBatch { sequence, logged_at: Some(time("2025-11-12T10:00:00Z")), events, envelopes }
    }

    /// A partition that is taken at a checkpoint, and looked at, at this moment.
    fn taken(sequence: u64, end: u64, now: Instant) -> LagTracker {
        let mut progress = LagTracker::resumed(None, checkpoint(sequence));
        progress.hold(false, now);
        progress.seen(end, now);
        progress
    }

    #[test]
    fn a_partition_stalls_from_when_there_is_something_until_it_is_committed() {
        let begun = Instant::now();
        let mut progress = taken(5, 5, begun);
        assert_eq!(progress.stalled_for(begun + SECOND), Duration::ZERO, "nothing is left");
        progress.seen(7, begun + SECOND);
        progress.seen(9, begun + 2 * SECOND);
        assert_eq!(progress.stalled_for(begun + 4 * SECOND), 3 * SECOND, "more does not make it shorter");
        progress.committed(batch(7, 2, 2), begun + 4 * SECOND);
        assert_eq!(progress.stalled_for(begun + 5 * SECOND), SECOND, "the rest is due since the commit");
        progress.committed(batch(9, 2, 2), begun + 5 * SECOND);
        assert_eq!(progress.stalled_for(begun + 9 * SECOND), Duration::ZERO);
    }

    #[test]
    fn opening_it_again_is_no_progress() {
        let begun = Instant::now();
        let again = LagTracker::resumed(Some(taken(5, 7, begun)), checkpoint(5));
        assert_eq!(again.stalled_for(begun + 3 * SECOND), 3 * SECOND);
        let further = LagTracker::resumed(Some(taken(5, 7, begun)), checkpoint(6));
        assert_eq!(further.stalled_for(begun + 3 * SECOND), Duration::ZERO);
    }

    #[test]
    fn what_is_held_does_not_stall() {
        let begun = Instant::now();
        let mut progress = taken(5, 7, begun);
        progress.hold(true, begun + SECOND);
        assert_eq!(progress.stalled_for(begun + 3 * SECOND), Duration::ZERO);
        progress.hold(false, begun + 3 * SECOND);
        assert_eq!(progress.stalled_for(begun + 4 * SECOND), SECOND);
    }

    #[test]
    fn a_lag_is_as_old_as_what_came_after_the_last_quiet_moment() {
        let begun = Instant::now();
        let noon = time("2025-11-12T12:00:00Z");
        let behind = taken(5, 7, begun);
        assert_eq!(behind.lag(begun, noon).age, 2 * 3_600 * SECOND, "it may be as old as what was folded last");
        let mut quiet = taken(5, 5, begun);
        assert_eq!(quiet.lag(begun, noon), Lag::default());
        quiet.seen(6, begun + SECOND);
        assert_eq!(quiet.lag(begun + 3 * SECOND, noon).age, 3 * SECOND);
        assert_eq!(taken(0, 6, begun).lag(begun + SECOND, noon).age, SECOND, "nothing was folded or quiet before");
    }

    #[test]
    fn a_lag_in_events_is_that_of_envelopes_like_those_before() {
        let begun = Instant::now();
        let mut progress = taken(5, 17, begun);
        assert_eq!(progress.lag(begun, time("2025-11-12T12:00:00Z")).events, 12, "nothing is known of them");
        progress.committed(batch(7, 2, 20), begun);
        let lag = progress.lag(begun, time("2025-11-12T12:00:00Z"));
        assert_eq!((lag.envelopes, lag.events), (10, 100));
    }
}
