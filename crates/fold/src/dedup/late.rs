//! Ids of events that are folded long after their place in the log: parked ones, after a fix. The window is the same,
//! around their own time, but it reaches to both sides: an event that came later and was counted is the same event.
//!
//! Every note of such an id counts here, not only the latest, as long as `recent_event_id` has it. What has left the
//! window of the partition is not known here any more, and two events that were both counted because this one between
//! them could not be read stay counted: only folding all of the log anew finds these.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use contract::EventDigest;

use super::{CorruptIds, DedupState, SLOTS, SeenIds, WindowSeconds, as_ms, read};

/// Known ids of events that are folded late.
#[derive(Debug, Clone)]
pub struct LateDedup {
    slot_ms: u64,
    state: DedupState,
    /// The slot of the event that is folded now.
    slot: u64,
    notes: HashMap<EventDigest, Vec<u64>>,
}

impl LateDedup {
    /// Nothing known yet of these ids; `state` is what the partition goes on from.
    pub fn new(window: WindowSeconds, state: DedupState, ids: impl IntoIterator<Item = EventDigest>) -> Self {
        let notes = ids.into_iter().map(|id| (id, Vec::new())).collect();
        Self { slot_ms: window.slot_ms(), state, slot: state.log_slot, notes }
    }

    /// Remembers what a batch stored of these ids.
    ///
    /// # Errors
    ///
    /// The bytes are not what a batch stores.
    pub fn remember(&mut self, stored: &[u8]) -> Result<(), CorruptIds> {
        for (id, slot) in read(stored)? {
            if let Some(notes) = self.notes.get_mut(&id) {
                notes.push(slot);
            }
        }
        Ok(())
    }

    /// The slot of an event whose slot was not kept. Where every envelope moves log time, none lies ahead of it.
    pub fn slot_of(&self, logged_at: DateTime<Utc>) -> u64 {
        let slot = as_ms(logged_at) / self.slot_ms;
        if self.state.clock.now_ms > 0 { slot.min(self.state.log_slot) } else { slot }
    }

    /// Goes to a slot; the events that follow came in it.
    pub fn enter(&mut self, slot: u64) {
        self.slot = slot;
    }

    /// Notes that an id was used in this slot, and answers whether it is known within the window around it. Events must
    /// come in their order.
    pub fn is_repeat(&mut self, id: EventDigest, seen: &mut SeenIds) -> bool {
        let slot = self.slot;
        let notes = self.notes.entry(id).or_default();
        let is_known = notes.iter().any(|noted| noted.abs_diff(slot) <= SLOTS);
        if !notes.contains(&slot) {
            notes.push(slot);
            seen.store(id, slot);
        }
        is_known
    }
}

#[cfg(test)]
mod tests {
    use super::super::DedupWindow;
    use super::*;

    const WINDOW: WindowSeconds = WindowSeconds(3_600);

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 / 3_600 * 3_600 + minute * 60, 0).expect("an instant")
    }

    fn slot(minute: u64) -> u64 {
        as_ms(at(0)) / 60_000 + minute
    }

    #[test]
    fn an_id_is_known_from_both_sides_of_the_window() {
        let (mut recent, mut seen) = (DedupWindow::new(WINDOW, DedupState::default()), SeenIds::default());
        for (id, minute) in [(1, 100), (2, 140), (3, 160)] {
            recent.is_repeat(EventDigest(id), at(minute), &mut seen);
        }
        let mut ids = LateDedup::new(WINDOW, recent.state(), [1, 2, 3, 9].map(EventDigest));
        ids.remember(&seen.stored).expect("stored ids");
        let mut is_repeat = |id, minute| {
            ids.enter(slot(minute));
            ids.is_repeat(EventDigest(id), &mut SeenIds::default())
        };
        assert!(is_repeat(1, 40) && is_repeat(1, 160), "an hour away");
        assert!(!is_repeat(2, 79), "61 minutes away");
        assert!(!is_repeat(9, 50) && is_repeat(9, 110) && !is_repeat(9, 171), "after one that came out of turn itself");
    }

    #[test]
    fn an_id_is_known_from_each_of_its_uses() {
        let (mut recent, mut seen) = (DedupWindow::new(WINDOW, DedupState::default()), SeenIds::default());
        for minute in [50, 100] {
            recent.is_repeat(EventDigest(1), at(minute), &mut seen);
        }
        let mut ids = LateDedup::new(WINDOW, recent.state(), [EventDigest(1)]);
        ids.remember(&seen.stored).expect("stored ids");
        ids.enter(slot(0));
        assert!(ids.is_repeat(EventDigest(1), &mut SeenIds::default()), "the latest is 100 minutes away");
    }

    #[test]
    fn what_came_out_of_turn_is_remembered_like_the_rest() {
        let mut seen = SeenIds::default();
        let mut ids = LateDedup::new(WINDOW, DedupState::default(), [EventDigest(5)]);
        ids.enter(ids.slot_of(at(0)));
        assert!(!ids.is_repeat(EventDigest(5), &mut seen));
        for log_slot in [0, slot(0) - 1, slot(30)] {
            let mut later = DedupWindow::new(WINDOW, DedupState { log_slot, ..DedupState::default() });
            later.remember(&seen.stored).expect("stored ids");
            let known = later.is_repeat(EventDigest(5), at(59), &mut SeenIds::default());
            assert!(known, "wherever log time stood: {log_slot}");
        }
    }

    #[test]
    fn an_event_of_a_clock_that_is_ahead_belongs_to_log_time() {
        let clock = super::super::LogClock { now_ms: as_ms(at(7)), ..Default::default() };
        let state = DedupState { log_slot: slot(7), clock, kept_from_slot: 0 };
        let ids = LateDedup::new(WINDOW, state, []);
        assert_eq!([at(3), at(7), at(10_000)].map(|at| ids.slot_of(at)), [slot(3), slot(7), slot(7)]);
    }
}
