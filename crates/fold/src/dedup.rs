//! Event ids that were seen lately, to recognise repeats.
//!
//! An event is a repeat if its site used the same id within the window before it, counted or not. So what has to be
//! remembered is when each id was seen last, and nothing older than the window matters: what a rebuild decides depends
//! on the log alone. Log time is cut into sixtieths of the window, `SLOTS`; an id is known for at least the window, and
//! for one slot more at most, as log time measures it (`log_clock.rs`).
//!
//! An id that is seen for the first time in a slot is *noted*: here, and in `recent_event_id`. Notes have a bound,
//! `NOTES_MAX`, so that no flood of ids can take the memory of a projector, or keep it from starting:
//!
//! - A slot that has an eighth of the bound is closed: log time goes on to the next one.
//! - Where there are more notes than the bound, the oldest slots are forgotten, down to 63/64 of it.
//!
//! Both depend on how many notes each slot has, which is what a restart counts in the stored ones, and on the slot before
//! which all is forgotten, which the checkpoint keeps. So the bound falls in the same place wherever batches end.

/// Log time.
mod log_clock;

/// Ids and the slots that they were last seen in.
mod id_table;

/// Notes of ids, as batches store them.
mod notes;

/// The length of the window.
mod window;

/// Events that are folded long after their place in the log.
mod late;

use chrono::{DateTime, Utc};
use contract::EventDigest;

use id_table::IdTable;
pub use late::LateDedup;
pub use log_clock::{LogClock, TOLERANCE_MS, Times};
use notes::read;
pub use notes::{CorruptIds, SeenIds};
pub use window::{InvalidWindow, WindowSeconds};

/// Parts of the window.
pub const SLOTS: u64 = 60;

/// Notes of a partition: 8 Mi × 22 bytes are 185 MB of memory, 8 Mi × 12 bytes are 101 MB of Postgres. They are ids that
/// came at 2,330 a second for the whole of an hour. Part of what a fold version is: with another one a rebuild would
/// decide otherwise.
pub const NOTES_MAX: u64 = 8 << 20;

/// Parts of the bound that one slot may have one of.
const SHARE_OF_SLOT: u64 = 8;

/// Parts of the bound of which one is made free where it is reached: what is forgotten is searched for in all ids.
const SHARE_FREED: u64 = 64;

/// Places for the numbers of notes: those of all slots that are remembered are different ones.
const PLACES: usize = 64;

/// State of deduplication beside the notes. The checkpoint keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DedupState {
    /// Log time, in slots of the window.
    pub log_slot: u64,
    /// Log time, where every envelope moves it.
    pub clock: LogClock,
    /// Notes of slots before this one are forgotten because of the bound.
    pub kept_from_slot: u64,
}

/// The ids of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DedupWindow {
    slot_ms: u64,
    notes_max: u64,
    state: DedupState,
    ids: IdTable,
    /// Notes of each slot, and of all.
    notes_of: [u64; PLACES],
    notes: u64,
}

impl DedupWindow {
    /// Nothing seen yet; what is to be remembered was left in this state.
    pub fn new(window: WindowSeconds, state: DedupState) -> Self {
        let (ids, notes_of) = (IdTable::new(), [0; PLACES]);
        Self { slot_ms: window.slot_ms(), notes_max: NOTES_MAX, state, ids, notes_of, notes: 0 }
    }

    /// With another bound than [`NOTES_MAX`], which reaches it sooner.
    #[must_use]
    pub fn bounded(self, notes_max: u64) -> Self {
        Self { notes_max, ..self }
    }

    /// Moves log time on to an envelope, as folds do where every envelope moves it.
    pub fn pass(&mut self, logged_at: DateTime<Utc>, sent_at: Option<DateTime<Utc>>, seen: &mut SeenIds) {
        let times = Times { stored_ms: as_ms(logged_at), sent_ms: sent_at.map(as_ms) };
        let was_doubted = self.state.clock.doubted_ms.is_some();
        self.state.clock.pass(times, self.slot_ms * SLOTS);
        let slot = self.state.clock.now_ms / self.slot_ms;
        if was_doubted && slot > self.state.log_slot + SLOTS {
            self.jump(slot, seen);
        } else {
            self.advance(slot);
        }
    }

    /// Notes that an id is used now, and answers whether it is known.
    pub fn note(&mut self, id: EventDigest, seen: &mut SeenIds) -> bool {
        if self.notes_of[place(self.state.log_slot)] >= self.notes_max / SHARE_OF_SLOT {
            self.close_slot();
        }
        let slot = as_stored(self.state.log_slot);
        let known = self.ids.insert(id, slot);
        if known != Some(slot) {
            self.count_note(self.state.log_slot);
            seen.store(id, self.state.log_slot);
            if self.notes > self.notes_max {
                seen.forgotten += self.forget_oldest();
            }
        }
        known.is_some()
    }

    /// Notes an id in folds where only ids move log time, by the time when the log stored their envelope.
    pub fn is_repeat(&mut self, id: EventDigest, logged_at: DateTime<Utc>, seen: &mut SeenIds) -> bool {
        self.advance(as_ms(logged_at) / self.slot_ms);
        self.note(id, seen)
    }

    /// Remembers what a batch stored, in any order of batches; answers how many ids were forgotten because of the bound.
    ///
    /// # Errors
    ///
    /// The bytes are not what a batch stores.
    pub fn remember(&mut self, stored: &[u8]) -> Result<u64, CorruptIds> {
        let mut forgotten = 0;
        for (id, slot) in read(stored)? {
            // Older versions stored ids that were folded out of their turn without moving log time.
            self.advance(slot);
            if slot < self.oldest_slot() {
                continue;
            }
            if self.notes == self.notes_max {
                // Of versions that had no bound: they may have stored more than that.
                forgotten += self.forget_oldest();
                if self.notes == self.notes_max || slot < self.oldest_slot() {
                    forgotten += 1;
                    continue;
                }
            }
            self.remember_latest(id, slot);
        }
        Ok(forgotten)
    }

    /// The slot before which nothing is needed any more.
    pub fn oldest_slot(&self) -> u64 {
        self.state.oldest_slot()
    }

    /// The state from which the next batch continues.
    pub fn state(&self) -> DedupState {
        self.state
    }

    /// The slot of the last envelope, once log time is sure of it.
    pub fn settled_slot(&self) -> Option<u64> {
        let clock = self.state.clock;
        (clock.now_ms > 0 && clock.doubted_ms.is_none()).then_some(self.state.log_slot)
    }

    /// How many ids are remembered.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Moves log time on, never back, and forgets what has left the window.
    fn advance(&mut self, slot: u64) {
        let before = self.state.log_slot;
        if slot <= before {
            return;
        }
        let left = before.saturating_sub(SLOTS)..slot.saturating_sub(SLOTS).min(before + 1);
        let gone: u64 = left.map(|slot| std::mem::take(&mut self.notes_of[place(slot)])).sum();
        self.state.log_slot = slot;
        if gone > 0 {
            // Measured from the old slot: a long silence must not make ages wrap around.
            let (passed, now) = (slot - before, as_stored(before));
            self.notes -= gone;
            self.ids.retain(|noted| age(now, noted) + passed <= SLOTS);
        }
    }

    /// Moves log time over more than a window, to where it was doubted. What was noted meanwhile was noted under the slot
    /// that log time stood in: it comes along, or the ids of the first envelopes after a silence would be forgotten.
    fn jump(&mut self, slot: u64, seen: &mut SeenIds) {
        let ids = self.ids.of_slot(as_stored(self.state.log_slot));
        self.advance(slot);
        for id in ids {
            self.ids.insert(id, as_stored(slot));
            self.count_note(slot);
            seen.store(id, slot);
        }
    }

    /// Begins the next slot before its time.
    fn close_slot(&mut self) {
        let next = self.state.log_slot + 1;
        self.advance(next);
        let clock = &mut self.state.clock;
        if clock.now_ms > 0 {
            clock.now_ms = clock.now_ms.max(next * self.slot_ms);
        }
    }

    /// Forgets the oldest slots, never the one that log time is in; answers how many ids are gone.
    fn forget_oldest(&mut self) -> u64 {
        let (now, kept) = (self.state.log_slot, self.notes_max - self.notes_max / SHARE_FREED);
        let mut oldest = self.oldest_slot();
        // One at least: it is called where room is needed.
        while oldest < now && (self.notes > kept || self.notes == self.notes_max) {
            self.notes -= std::mem::take(&mut self.notes_of[place(oldest)]);
            oldest += 1;
        }
        if oldest == self.oldest_slot() {
            return 0;
        }
        self.state.kept_from_slot = oldest;
        let (now, age_max) = (as_stored(now), now - oldest);
        self.ids.retain(|noted| age(now, noted) <= age_max)
    }

    fn remember_latest(&mut self, id: EventDigest, slot: u64) {
        // What came out of its turn is not always stored in the order of its time.
        let now = as_stored(self.state.log_slot);
        if self.ids.insert_latest(id, as_stored(slot), |noted| age(now, noted)) {
            self.count_note(slot);
        }
    }

    fn count_note(&mut self, slot: u64) {
        self.notes_of[place(slot)] += 1;
        self.notes += 1;
    }
}

impl DedupState {
    /// The slot before which nothing is needed any more.
    pub fn oldest_slot(&self) -> u64 {
        self.log_slot.saturating_sub(SLOTS).max(self.kept_from_slot)
    }
}

fn as_ms(time: DateTime<Utc>) -> u64 {
    u64::try_from(time.timestamp_millis()).unwrap_or(0)
}

fn as_stored(slot: u64) -> [u8; 2] {
    let [low, high, ..] = slot.to_le_bytes();
    [low, high]
}

fn place(slot: u64) -> usize {
    usize::try_from(slot % PLACES as u64).expect("below the number of places")
}

/// Slots are told apart modulo 65,536; those that are remembered are at most [`SLOTS`] old.
fn age(now: [u8; 2], slot: [u8; 2]) -> u64 {
    u64::from(u16::from_le_bytes(now).wrapping_sub(u16::from_le_bytes(slot)))
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod properties;
