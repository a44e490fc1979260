use super::*;

const WINDOW: WindowSeconds = WindowSeconds(3_600);

fn recent(window: WindowSeconds) -> DedupWindow {
    DedupWindow::new(window, DedupState::default())
}

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 / 60 * 60 + second, 0).expect("an instant")
}

/// Feeds (id, second) pairs, and answers which were repeats.
fn repeats(ids: &mut DedupWindow, events: &[(u64, i64)]) -> Vec<bool> {
    events.iter().map(|(id, second)| ids.is_repeat(EventDigest(*id), at(*second), &mut SeenIds::default())).collect()
}

#[test]
fn an_id_is_known_for_the_window_and_a_slot_at_most() {
    let mut ids = recent(WINDOW);
    let events = [(1, 0), (2, 0), (1, 59), (1, 3_659), (2, 3_600), (1, 3_659 + 3_600), (3, 20_000), (1, 20_000)];
    assert_eq!(repeats(&mut ids, &events), [false, false, true, true, true, true, false, false]);
    assert_eq!(ids.len(), 2, "what has left the window is forgotten");
}

#[test]
fn a_window_that_has_no_even_sixtieth_is_not_cut_short() {
    for seconds in [60, 61, 62, 3_601] {
        for begin in 0..2_100 {
            let mut ids = recent(WindowSeconds(seconds));
            let at = |ms: i64| at(0) + chrono::TimeDelta::milliseconds(begin + ms);
            let mut is_repeat = |ms| ids.is_repeat(EventDigest(1), at(ms), &mut SeenIds::default());
            assert!(!is_repeat(0) && is_repeat(i64::from(seconds) * 1_000), "{seconds} s, begun at {begin} ms");
        }
    }
}

#[test]
fn log_time_never_runs_backwards() {
    let mut ids = recent(WINDOW);
    assert_eq!(repeats(&mut ids, &[(1, 7_200), (2, 0), (2, 7_200 + 3_600), (1, 0)]), [false, false, true, true]);
}

#[test]
fn silence_of_years_forgets_everything() {
    // 65,536 slots of one second later a slot is remembered as the same two bytes.
    let events: Vec<_> = (0..=1_100).map(|n| (n % 1_100, i64::try_from(n).expect("small") * 60)).collect();
    let (mut ids, mut seen) = (recent(WindowSeconds(60)), SeenIds::default());
    for (id, second) in &events {
        assert!(!ids.is_repeat(EventDigest(*id), at(*second), &mut seen));
    }
    assert!(!ids.is_repeat(EventDigest(7), at(66_000 + 65_536), &mut seen));
    let mut restored = DedupWindow::new(WindowSeconds(60), ids.state());
    restored.remember(&seen.stored).expect("stored ids");
    assert_eq!((restored.len(), ids.len()), (1, 1));
}

#[test]
fn what_was_stored_decides_like_what_was_seen() {
    let events: Vec<(u64, i64)> = (0..5_000).map(|n| (n * n % 611, i64::try_from(n).expect("small") * 7)).collect();
    let straight = repeats(&mut recent(WINDOW), &events);
    for restart in [0, 1, 600, 2_500, 4_999] {
        let (mut before, mut seen) = (recent(WINDOW), SeenIds::default());
        let mut decided = Vec::new();
        for (id, second) in &events[..restart] {
            decided.push(before.is_repeat(EventDigest(*id), at(*second), &mut seen));
        }
        let mut after = DedupWindow::new(WINDOW, before.state());
        after.remember(&seen.stored).expect("stored ids");
        assert_eq!(after.len(), before.len());
        decided.extend(repeats(&mut after, &events[restart..]));
        assert_eq!(decided, straight, "restart at {restart}");
    }
    assert_eq!(recent(WINDOW).remember(&[1, 2, 3]), Err(CorruptIds));
}

/// Notes ids, one a second of an old log; answers which were repeats.
fn note_all(ids: &mut DedupWindow, digests: impl IntoIterator<Item = u64>, seen: &mut SeenIds) -> Vec<bool> {
    digests.into_iter().map(|id| ids.note(EventDigest(id), seen)).collect()
}

#[test]
fn no_flood_of_ids_takes_more_than_the_bound_and_the_latest_stay_known() {
    let (mut ids, mut seen) = (recent(WINDOW).bounded(640), SeenIds::default());
    ids.pass(at(0), None, &mut seen);
    for id in 0..100_000 {
        assert!(!ids.note(EventDigest(id), &mut seen), "{id} is new");
        assert!(ids.len() <= 640, "{} ids", ids.len());
    }
    assert_eq!(seen.forgotten, 100_000 - ids.len() as u64);
    assert!(note_all(&mut ids, 99_500..100_000, &mut seen).into_iter().all(|is_known| is_known));
    assert_eq!(note_all(&mut ids, [0], &mut seen), [false], "the oldest are forgotten first");
    ids.pass(at(7_200), None, &mut seen);
    assert!(ids.state().log_slot > 0 && ids.len() <= 640);
}

#[test]
fn ids_that_come_again_in_every_slot_do_not_take_more_than_the_bound() {
    let (mut ids, mut seen) = (recent(WINDOW).bounded(640), SeenIds::default());
    for minute in 0..600 {
        ids.pass(at(minute * 60), None, &mut seen);
        note_all(&mut ids, 0..50, &mut seen);
    }
    let kept = ids.state().oldest_slot();
    let notes = read(&seen.stored).expect("stored ids").filter(|(_, slot)| *slot >= kept).count();
    assert!(notes <= 640 && ids.len() == 50, "{notes} notes are kept");
}

#[test]
fn what_was_stored_without_a_bound_is_loaded_within_it() {
    let (mut before, mut seen) = (recent(WINDOW), SeenIds::default());
    for minute in 0..20 {
        before.pass(at(minute * 60), None, &mut seen);
        note_all(&mut before, (0..100).map(|id| u64::try_from(minute).expect("small") * 100 + id), &mut seen);
    }
    for notes_max in [640, 99, 10_000] {
        let mut after = DedupWindow::new(WINDOW, before.state()).bounded(notes_max);
        let forgotten = after.remember(&seen.stored).expect("stored ids");
        assert_eq!((after.len() as u64).min(notes_max) + forgotten, 2_000, "within {notes_max}");
        note_all(&mut after, 5_000..6_000, &mut SeenIds::default());
        assert!(after.len() as u64 <= notes_max);
    }
}

#[test]
fn ids_of_the_first_envelopes_behind_a_silence_are_known_once_it_is_believed() {
    let (mut ids, mut seen) = (recent(WINDOW), SeenIds::default());
    for (minute, id, is_known) in [(0, 1, false), (500, 2, false), (503, 2, true), (505, 2, true), (506, 2, true)] {
        ids.pass(at(minute * 60), None, &mut seen);
        assert_eq!(ids.note(EventDigest(id), &mut seen), is_known, "in minute {minute}");
    }
    let mut restored = DedupWindow::new(WINDOW, ids.state());
    restored.remember(&seen.stored).expect("stored ids");
    assert_eq!(restored, ids);
}

#[test]
fn the_unit_of_a_projector_has_room_for_the_ids_of_two_generations() {
    let unit = include_str!("../../../../deploy/systemd/tidemark-projector.service");
    let mib = unit.lines().find_map(|line| line.strip_prefix("MemoryMax=")?.strip_suffix('M')).expect("MemoryMax");
    let (partitions, generations, bytes, others) = (4, 2, 22, 700 << 20);
    let needed = partitions * generations * bytes * NOTES_MAX + others;
    assert!(mib.parse::<u64>().expect("a number") << 20 >= needed, "{needed} bytes are needed");
}
