//! Ids of events that are folded long after their place in the log: parked ones, after a fix. The window is the same,
//! around their own time, but it reaches to both sides: an event that came later and was counted is the same event.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use contract::EventDigest;

use super::{RecentIds, SLOTS, SeenIds};

/// What is known of ids around the times of such events.
#[derive(Debug)]
pub struct OutOfTurn {
    recent: RecentIds,
    /// Of those that came out of their turn before, the latest slot.
    folded: HashMap<EventDigest, u64>,
}

impl OutOfTurn {
    /// `recent` is what the partition remembers now. What has left its window is not known here any more: only folding
    /// all of the log anew finds a repeat of that.
    pub fn new(recent: RecentIds) -> Self {
        Self { recent, folded: HashMap::new() }
    }

    /// Notes that an id was used at this time, and answers whether it is known within the window around it. Events must
    /// come in their order.
    pub fn is_repeat(&mut self, id: EventDigest, logged_at: DateTime<Utc>, seen: &mut SeenIds) -> bool {
        let slot = self.recent.slot_of(logged_at);
        seen.store(id, slot);
        let before = self.folded.insert(id, slot);
        let around = before.into_iter().chain(self.recent.last_seen(id));
        around.into_iter().any(|known| known.abs_diff(slot) <= SLOTS)
    }
}

#[cfg(test)]
mod tests {
    use super::super::WindowSeconds;
    use super::*;

    const WINDOW: WindowSeconds = WindowSeconds(3_600);

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 / 3_600 * 3_600 + minute * 60, 0).expect("an instant")
    }

    #[test]
    fn an_id_is_known_from_both_sides_of_the_window() {
        let mut recent = RecentIds::new(WINDOW, 0);
        for (id, minute) in [(1, 100), (2, 140), (3, 160)] {
            recent.is_repeat(EventDigest(id), at(minute), &mut SeenIds::default());
        }
        let mut ids = OutOfTurn::new(recent);
        let mut is_repeat = |id, minute| ids.is_repeat(EventDigest(id), at(minute), &mut SeenIds::default());
        assert!(is_repeat(1, 40) && is_repeat(1, 160), "an hour away");
        assert!(!is_repeat(2, 79), "61 minutes away");
        assert!(!is_repeat(9, 50) && is_repeat(9, 110) && !is_repeat(9, 171), "after one that came out of turn itself");
    }

    #[test]
    fn what_came_out_of_turn_is_remembered_like_the_rest() {
        let (mut ids, mut seen) = (OutOfTurn::new(RecentIds::new(WINDOW, 0)), SeenIds::default());
        assert!(!ids.is_repeat(EventDigest(5), at(0), &mut seen));
        let mut later = RecentIds::new(WINDOW, ids.recent.slot_of(at(30)));
        later.remember(&seen.stored).expect("stored ids");
        assert!(later.is_repeat(EventDigest(5), at(59), &mut SeenIds::default()));
    }
}
