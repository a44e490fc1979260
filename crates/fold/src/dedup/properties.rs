//! Repeats against a model that keeps every note and knows no table: whatever clocks say, wherever batches end and
//! projectors restart, and where the bound is reached.

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::*;

/// So few that it is reached again and again.
const BOUND: u64 = 128;

const START_MS: u64 = 1_762_975_801_000;

/// An envelope, and whether a batch ends behind it, and a process.
#[derive(Debug, Clone)]
struct Step {
    passed_ms: i64,
    /// How far the log's clock is wrong, and how far ingest's is, where it says its time.
    log_ahead_ms: i64,
    sent_ahead_ms: Option<i64>,
    ids: Vec<u64>,
    is_cut: bool,
    is_restart: bool,
}

/// What each id is to be decided as, and what the log's notes are.
struct Model {
    state: DedupState,
    slot_ms: u64,
    notes: Vec<(u64, u64)>,
}

impl Model {
    fn kept(&self) -> Vec<(u64, u64)> {
        let oldest = self.state.log_slot.saturating_sub(SLOTS).max(self.state.kept_from_slot);
        self.notes.iter().copied().filter(|(_, slot)| *slot >= oldest).collect()
    }

    fn pass(&mut self, times: Times) {
        let was_doubted = self.state.clock.doubted_ms.is_some();
        self.state.clock.pass(times, self.slot_ms * SLOTS);
        let (before, slot) = (self.state.log_slot, self.state.clock.now_ms / self.slot_ms);
        if was_doubted && slot > before + SLOTS {
            let along: Vec<_> = self.kept().into_iter().filter(|(_, noted)| *noted == before).collect();
            self.notes.extend(along.into_iter().map(|(id, _)| (id, slot)));
        }
        self.state.log_slot = slot;
    }

    fn note(&mut self, id: u64) -> bool {
        let now = self.state.log_slot;
        if self.kept().iter().filter(|(_, slot)| *slot == now).count() as u64 >= BOUND / 8 {
            self.state.log_slot += 1;
            self.state.clock.now_ms = self.state.log_slot * self.slot_ms;
        }
        let (now, kept) = (self.state.log_slot, self.kept());
        if !kept.contains(&(id, now)) {
            self.notes.push((id, now));
        }
        if self.kept().len() as u64 > BOUND {
            while self.kept().len() as u64 > BOUND - BOUND / 64 {
                self.state.kept_from_slot = self.kept().iter().map(|(_, slot)| slot + 1).min().expect("a note");
            }
        }
        kept.iter().any(|(known, _)| *known == id)
    }
}

/// The fold's side: what it decides, with batches and processes that end.
struct Partition {
    window: WindowSeconds,
    recent: DedupWindow,
    seen: SeenIds,
    rows: Vec<Vec<u8>>,
}

impl Partition {
    fn end_batch(&mut self) {
        self.rows.push(std::mem::take(&mut self.seen).stored);
    }

    fn restart(&mut self) {
        let mut recent = DedupWindow::new(self.window, self.recent.state()).bounded(BOUND);
        for row in self.rows.iter().rev() {
            assert_eq!(recent.remember(row), Ok(0), "what is stored is within the bound");
        }
        assert_eq!(recent, self.recent);
        self.recent = recent;
    }
}

fn wrong_clock() -> impl Strategy<Value = i64> {
    const YEARS: i64 = 300_000_000_000;
    prop_oneof![8 => -2_000..2_000i64, 1 => -600_000..600_000i64, 1 => YEARS..YEARS + 1_000_000, 1 => -YEARS..-YEARS + 9]
}

fn step() -> impl Strategy<Value = Step> {
    let passed = prop_oneof![6 => 0..2_000i64, 3 => 0..120_000i64, 1 => 0..6_000_000i64, 1 => 0..300_000_000i64];
    let ids = prop::collection::vec(prop_oneof![4 => 0..40u64, 1 => 0..1_000u64], 0..30);
    let ids = ids.prop_map(|ids| ids.into_iter().map(|id| id.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect());
    let sent = prop::option::of(wrong_clock());
    let cuts = (any::<bool>(), prop::bool::weighted(0.1));
    (passed, wrong_clock(), sent, ids, cuts).prop_map(|(passed_ms, log_ahead_ms, sent_ahead_ms, ids, cuts)| Step {
        passed_ms,
        log_ahead_ms,
        sent_ahead_ms,
        ids,
        is_cut: cuts.0,
        is_restart: cuts.1,
    })
}

fn window() -> impl Strategy<Value = WindowSeconds> {
    prop_oneof![Just(60), Just(3_600), 60..=86_400u32].prop_map(WindowSeconds)
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

    #[test]
    fn repeats_are_those_of_the_model(steps in prop::collection::vec(step(), 0..60), window in window()) {
        let mut model = Model { state: DedupState::default(), slot_ms: window.slot_ms(), notes: Vec::new() };
        let recent = DedupWindow::new(window, DedupState::default()).bounded(BOUND);
        let mut partition = Partition { window, recent, seen: SeenIds::default(), rows: Vec::new() };
        let mut now = START_MS;
        for step in &steps {
            now = now.saturating_add_signed(step.passed_ms);
            let at = |ahead: i64| now.saturating_add_signed(ahead);
            let times = Times { stored_ms: at(step.log_ahead_ms), sent_ms: step.sent_ahead_ms.map(at) };
            let instant = |ms: u64| DateTime::from_timestamp_millis(ms.cast_signed()).expect("an instant");
            model.pass(times);
            partition.recent.pass(instant(times.stored_ms), times.sent_ms.map(instant), &mut partition.seen);
            for id in &step.ids {
                let is_repeat = partition.recent.note(EventDigest(*id), &mut partition.seen);
                prop_assert_eq!(is_repeat, model.note(*id), "id {} at {:?}", id, model.state);
            }
            prop_assert_eq!(partition.recent.state(), model.state);
            prop_assert!(partition.recent.len() as u64 <= BOUND + step.ids.len() as u64);
            if step.is_cut || step.is_restart {
                partition.end_batch();
            }
            if step.is_restart {
                partition.restart();
            }
        }
    }
}
