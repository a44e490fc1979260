//! Event ids that were seen lately, to recognise repeats.
//!
//! An event is a repeat if its site used the same id within the window before it, counted or not. So what has to be
//! remembered is when each id was seen last, and nothing older than the window matters: what a rebuild decides depends
//! on the log alone. Log time is cut into sixtieths of the window, `SLOTS`; an id is known for at least the window,
//! and for one slot more at most.

/// Events that are folded long after their place in the log.
mod out_of_turn;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use contract::EventDigest;

pub use out_of_turn::OutOfTurn;

/// Parts of the window.
pub const SLOTS: u64 = 60;

/// Tables for the ids. Their shares of the ids rise evenly from one to two, so that they double one after the other:
/// taken together they are about two thirds full, whatever the number of ids, and while one doubles, the old and the
/// new half of only one are there.
const SHARDS: usize = 64;

/// Values of the bits that choose a shard.
const CHOICES: usize = 1 << 12;

/// The shard of each choice.
static SHARD_OF: LazyLock<Vec<u8>> = LazyLock::new(|| {
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 64")]
    let shard = |choice| (SHARDS as f64 * (1.0 + choice as f64 / CHOICES as f64).log2()) as u8;
    (0..CHOICES).map(shard).collect()
});

/// Bytes of one id, stored: digest and slot, both little-endian. A batch may span more slots than two bytes tell apart.
const STORED_BYTES: usize = 8 + 4;

/// Seconds within which an id is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowSeconds(u32);

/// A window of another length than one minute to one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the window in which repeats are recognised must be 60 to 86400 seconds")]
pub struct InvalidWindow;

/// The ids of one partition: 10 bytes each and one of bookkeeping, in tables that are two thirds full: 17 to 18 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentIds {
    slot_ms: u64,
    slot: u64,
    shards: Vec<HashMap<Known, [u8; 2], BuildHasherDefault<AsItIs>>>,
}

/// What a batch adds to what is remembered.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct SeenIds {
    /// The slot of log time that the batch ends in.
    pub slot: u64,
    /// Ids and slots, as [`RecentIds::remember`] reads them.
    pub stored: Vec<u8>,
}

impl WindowSeconds {
    /// The number itself.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for WindowSeconds {
    type Error = InvalidWindow;

    fn try_from(seconds: u32) -> Result<Self, InvalidWindow> {
        if (60..=86_400).contains(&seconds) { Ok(Self(seconds)) } else { Err(InvalidWindow) }
    }
}

impl RecentIds {
    /// Nothing seen yet; log time stands at `slot`.
    pub fn new(window: WindowSeconds, slot: u64) -> Self {
        let slot_ms = (u64::from(window.0) * 1_000).div_ceil(SLOTS);
        Self { slot_ms, slot, shards: vec![HashMap::default(); SHARDS] }
    }

    /// Notes that an id is used, and answers whether it is known.
    pub fn is_repeat(&mut self, id: EventDigest, logged_at: DateTime<Utc>, seen: &mut SeenIds) -> bool {
        self.advance(logged_at);
        let slot = self.stored_slot();
        seen.slot = self.slot;
        let known = self.shard(id).insert(Known(id.0.to_le_bytes()), slot);
        if known != Some(slot) {
            seen.store(id, self.slot);
        }
        known.is_some()
    }

    /// The slot that an id was last seen in, where it is remembered.
    fn last_seen(&self, id: EventDigest) -> Option<u64> {
        let seen = self.shards[shard_of(id)].get(&Known(id.0.to_le_bytes()))?;
        Some(self.slot - u64::from(age(self.stored_slot(), *seen)))
    }

    /// Remembers what a batch stored.
    ///
    /// # Errors
    ///
    /// The bytes are not what a batch stores.
    pub fn remember(&mut self, stored: &[u8]) -> Result<(), CorruptIds> {
        let (ids, []) = stored.as_chunks::<STORED_BYTES>() else { return Err(CorruptIds) };
        for [id @ .., s0, s1, s2, s3] in ids {
            let id: [u8; 8] = *id;
            let slot = u32::from_le_bytes([*s0, *s1, *s2, *s3]);
            if u64::from(slot) + SLOTS >= self.slot {
                self.remember_latest(EventDigest(u64::from_le_bytes(id)), slot);
            }
        }
        Ok(())
    }

    fn remember_latest(&mut self, id: EventDigest, slot: u32) {
        let [low, high, ..] = slot.to_le_bytes();
        let (now, seen) = (self.stored_slot(), [low, high]);
        let latest = self.shard(id).entry(Known(id.0.to_le_bytes())).or_insert(seen);
        // What came out of its turn is not always stored in the order of its time.
        if age(now, seen) < age(now, *latest) {
            *latest = seen;
        }
    }

    /// The slot before which nothing is needed any more.
    pub fn oldest_slot(&self) -> u64 {
        self.slot.saturating_sub(SLOTS)
    }

    /// How many ids are remembered.
    pub fn len(&self) -> usize {
        self.shards.iter().map(HashMap::len).sum()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Moves log time on, never back, and forgets what has left the window.
    fn advance(&mut self, logged_at: DateTime<Utc>) {
        let slot = self.slot_of(logged_at);
        if slot <= self.slot {
            return;
        }
        // Measured from the old slot: a long silence must not make ages wrap around.
        let (passed, now) = (slot - self.slot, self.stored_slot());
        self.slot = slot;
        for shard in &mut self.shards {
            shard.retain(|_, seen| u64::from(age(now, *seen)) + passed <= SLOTS);
        }
    }

    fn slot_of(&self, logged_at: DateTime<Utc>) -> u64 {
        u64::try_from(logged_at.timestamp_millis()).unwrap_or(0) / self.slot_ms
    }

    fn stored_slot(&self) -> [u8; 2] {
        let [low, high, ..] = self.slot.to_le_bytes();
        [low, high]
    }

    fn shard(&mut self, id: EventDigest) -> &mut HashMap<Known, [u8; 2], BuildHasherDefault<AsItIs>> {
        &mut self.shards[shard_of(id)]
    }
}

impl SeenIds {
    fn store(&mut self, id: EventDigest, slot: u64) {
        self.slot = self.slot.max(slot);
        self.stored.extend(id.0.to_le_bytes());
        self.stored.extend(u32::try_from(slot).unwrap_or(u32::MAX).to_le_bytes());
    }
}

fn shard_of(id: EventDigest) -> usize {
    // Bits from the middle: the tables themselves use the lowest and the highest.
    let [.., low, high, _, _, _] = id.0.to_le_bytes();
    let choice = usize::from(u16::from_le_bytes([low, high])) % CHOICES;
    usize::from(SHARD_OF[choice])
}

/// Stored ids that no batch has stored. The partition has to be folded again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stored event ids cannot be read")]
pub struct CorruptIds;

/// Slots are told apart modulo 65,536; those that are remembered are at most [`SLOTS`] old.
fn age(now: [u8; 2], slot: [u8; 2]) -> u16 {
    u16::from_le_bytes(now).wrapping_sub(u16::from_le_bytes(slot))
}

/// A digest as bytes: aligned to one byte, an entry of the table needs no padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known([u8; 8]);

impl Hash for Known {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(u64::from_le_bytes(self.0));
    }
}

/// Digests are well mixed already.
#[derive(Debug, Default, Clone, Copy)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, digest: u64) {
        self.0 = digest;
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("a digest is a u64");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: WindowSeconds = WindowSeconds(3_600);

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 / 60 * 60 + second, 0).expect("an instant")
    }

    /// Feeds (id, second) pairs, and answers which were repeats.
    fn repeats(ids: &mut RecentIds, events: &[(u64, i64)]) -> Vec<bool> {
        events
            .iter()
            .map(|(id, second)| ids.is_repeat(EventDigest(*id), at(*second), &mut SeenIds::default()))
            .collect()
    }

    #[test]
    fn an_id_is_known_for_the_window_and_a_slot_at_most() {
        let mut ids = RecentIds::new(WINDOW, 0);
        let events = [(1, 0), (2, 0), (1, 59), (1, 3_659), (2, 3_600), (1, 3_659 + 3_600), (3, 20_000), (1, 20_000)];
        assert_eq!(repeats(&mut ids, &events), [false, false, true, true, true, true, false, false]);
        assert_eq!(ids.len(), 2, "what has left the window is forgotten");
    }

    #[test]
    fn a_window_that_has_no_even_sixtieth_is_not_cut_short() {
        for seconds in [60, 61, 62, 3_601] {
            for begin in 0..2_100 {
                let mut ids = RecentIds::new(WindowSeconds(seconds), 0);
                let at = |ms: i64| at(0) + chrono::TimeDelta::milliseconds(begin + ms);
                let mut is_repeat = |ms| ids.is_repeat(EventDigest(1), at(ms), &mut SeenIds::default());
                assert!(!is_repeat(0) && is_repeat(i64::from(seconds) * 1_000), "{seconds} s, begun at {begin} ms");
            }
        }
    }

    #[test]
    fn log_time_never_runs_backwards() {
        let mut ids = RecentIds::new(WINDOW, 0);
        assert_eq!(repeats(&mut ids, &[(1, 7_200), (2, 0), (2, 7_200 + 3_600), (1, 0)]), [false, false, true, true]);
    }

    #[test]
    fn silence_of_years_forgets_everything() {
        // 65,536 slots of one second later a slot is remembered as the same two bytes.
        let events: Vec<_> = (0..=1_100).map(|n| (n % 1_100, i64::try_from(n).expect("small") * 60)).collect();
        let (mut ids, mut seen) = (RecentIds::new(WindowSeconds(60), 0), SeenIds::default());
        for (id, second) in &events {
            assert!(!ids.is_repeat(EventDigest(*id), at(*second), &mut seen));
        }
        assert!(!ids.is_repeat(EventDigest(7), at(66_000 + 65_536), &mut seen));
        let mut restored = RecentIds::new(WindowSeconds(60), seen.slot);
        restored.remember(&seen.stored).expect("stored ids");
        assert_eq!((restored.len(), ids.len()), (1, 1));
    }

    #[test]
    fn what_was_stored_decides_like_what_was_seen() {
        let events: Vec<(u64, i64)> = (0..5_000).map(|n| (n * n % 611, i64::try_from(n).expect("small") * 7)).collect();
        let straight = repeats(&mut RecentIds::new(WINDOW, 0), &events);
        for restart in [0, 1, 600, 2_500, 4_999] {
            let (mut before, mut seen) = (RecentIds::new(WINDOW, 0), SeenIds::default());
            let mut decided = Vec::new();
            for (id, second) in &events[..restart] {
                decided.push(before.is_repeat(EventDigest(*id), at(*second), &mut seen));
            }
            let mut after = RecentIds::new(WINDOW, seen.slot);
            after.remember(&seen.stored).expect("stored ids");
            assert_eq!(after.len(), before.len());
            decided.extend(repeats(&mut after, &events[restart..]));
            assert_eq!(decided, straight, "restart at {restart}");
        }
        assert_eq!(RecentIds::new(WINDOW, 0).remember(&[1, 2, 3]), Err(CorruptIds));
    }
}
