//! Properties of the fold that hold for any log: where envelopes and batches end, where the fold was begun anew, and in
//! which order batches are added up does not show.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use contract::Digest;
use proptest::prelude::*;
use proptest::test_runner::Config;

use super::*;
use crate::dedup::{DedupState, LogClock, SLOTS, Times, WindowSeconds};
use crate::sorted::Counts;

/// A line of the log, in small numbers, so that lines meet.
#[derive(Debug, Clone)]
enum Line {
    Event(Sent),
    Unreadable(u8),
    Blank,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    site: u8,
    kind: u8,
    path: u8,
    day: u8,
    user: Option<u8>,
    event_id: Option<u8>,
    referrer: u8,
}

/// A line, and what happens around it.
#[derive(Debug, Clone)]
struct Step {
    line: Line,
    /// Log time, seconds after the line before. Where it is not zero, another envelope begins.
    passed: i64,
    cut: Cut,
}

/// What ends behind a line; each of these ends those before it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cut {
    Nothing,
    Envelope,
    Batch,
    Process,
}

/// All batches, added up as read models do it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Sum {
    daily: BTreeMap<(String, String, NaiveDate), Row>,
    total: BTreeMap<(String, String), Row>,
    parked: BTreeMap<Vec<u8>, u64>,
    repeats: BTreeMap<String, u64>,
    events: u64,
}

/// What is counted for one site, type and day, or for all days.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Row {
    views: u64,
    paths: BTreeMap<String, u64>,
    users: BTreeSet<Digest>,
    referrers: BTreeMap<String, u64>,
}

impl Sent {
    fn site(self) -> String {
        format!("site-{}", self.site)
    }

    /// As JSON, and what it counts as.
    fn referrer(self) -> (String, String) {
        match self.referrer {
            0 => ("null".to_owned(), "none\0".to_owned()),
            1 => (format!("\"https://www.site-{}/\"", self.site), "own\0".to_owned()),
            2 => (r#"{"no":"text"}"#.to_owned(), "unreadable\0".to_owned()),
            3 => (r#""https://WWW.Google.com:8443/search""#.to_owned(), "host\0www.google.com".to_owned()),
            _ => (r#""https://example.com""#.to_owned(), "host\0example.com".to_owned()),
        }
    }

    fn kind(self) -> String {
        format!("kind-{}", self.kind)
    }

    fn path(self) -> String {
        format!("/{}", self.path)
    }

    fn day(self) -> NaiveDate {
        NaiveDate::from_ymd_opt(2025, 11, 1 + u32::from(self.day)).expect("a day of November")
    }

    fn user(self) -> Option<String> {
        self.user.map(|user| format!("user-{user}"))
    }
}

impl Line {
    fn text(&self) -> String {
        let Self::Event(sent) = self else {
            return if let Self::Unreadable(number) = self { format!("nonsense {number}") } else { " \r".to_owned() };
        };
        let mut event = serde_json::json!({
            "site_id": sent.site(), "event_type": sent.kind(), "path": format!("{}?query", sent.path()),
            "timestamp": format!("{}T23:59:59Z", sent.day()), "user_id": sent.user(),
        });
        if let Some(event_id) = sent.event_id {
            event["event_id"] = event_id.to_string().into();
        }
        event["referrer"] = sent.referrer().0.parse().expect("JSON");
        event.to_string()
    }
}

impl Sum {
    fn add(&mut self, deltas: &Deltas) {
        let sorted = deltas.sorted();
        for (site, kind, day, counts) in sorted.daily() {
            self.daily.entry((site.to_owned(), kind.to_owned(), day)).or_default().add(&Row::of(&counts));
        }
        for (site, kind, counts) in sorted.total() {
            self.total.entry((site.to_owned(), kind.to_owned())).or_default().add(&Row::of(&counts));
        }
        for parked in &deltas.parked {
            *self.parked.entry(parked.event.clone()).or_default() += 1;
        }
        for (site, repeats) in &deltas.repeats {
            *self.repeats.entry(site.clone()).or_default() += repeats;
        }
        self.events += deltas.events;
    }

    fn of<'a>(batches: impl IntoIterator<Item = &'a Deltas>) -> Self {
        let mut sum = Self::default();
        batches.into_iter().for_each(|deltas| sum.add(deltas));
        sum
    }

    fn count(&mut self, sent: Sent) {
        self.events += 1;
        let user = sent.user().map(|user| key().digest(&user.try_into().expect("a user")));
        let one = Row {
            views: 1,
            paths: [(sent.path(), 1)].into(),
            users: user.into_iter().collect(),
            referrers: [(sent.referrer().1, 1)].into(),
        };
        self.daily.entry((sent.site(), sent.kind(), sent.day())).or_default().add(&one);
        self.total.entry((sent.site(), sent.kind())).or_default().add(&one);
    }
}

impl Row {
    fn of(counts: &Counts<'_>) -> Self {
        Self {
            views: counts.views(),
            paths: names(counts, Dimension::Path),
            users: counts.users().iter().copied().collect(),
            referrers: names(counts, Dimension::Referrer),
        }
    }

    fn add(&mut self, other: &Self) {
        self.views += other.views;
        self.users.extend(&other.users);
        for (path, views) in &other.paths {
            *self.paths.entry(path.clone()).or_default() += views;
        }
        for (referrer, views) in &other.referrers {
            *self.referrers.entry(referrer.clone()).or_default() += views;
        }
    }
}

/// A log as the fold reads it, and what the checkpoint remembers between two processes.
struct Reader {
    fold: Fold,
    window: WindowSeconds,
    recent: DedupWindow,
    state: DedupState,
    stored: Vec<SeenIds>,
    deltas: Deltas,
    batches: Vec<Deltas>,
    sequence: u64,
}

impl Reader {
    fn new(window: WindowSeconds) -> Self {
        Self::of_fold(Fold::new(key()), window)
    }

    fn of_fold(fold: Fold, window: WindowSeconds) -> Self {
        let deltas = fold.begin();
        let state = DedupState::default();
        let recent = DedupWindow::new(window, state);
        Self { fold, window, recent, state, stored: Vec::new(), deltas, batches: Vec::new(), sequence: 0 }
    }

    fn read(mut self, steps: &[Step]) -> Vec<Deltas> {
        let (mut logged_at, mut body) = (start(), Vec::new());
        for (index, step) in steps.iter().enumerate() {
            logged_at += TimeDelta::seconds(step.passed);
            body.push(step.line.text());
            let goes_on = steps.get(index + 1).is_some_and(|next| next.passed == 0);
            if step.cut > Cut::Nothing || !goes_on {
                self.envelope(logged_at, &body.join("\n"));
                body.clear();
            }
            if step.cut > Cut::Envelope {
                self.end_batch();
            }
            if step.cut == Cut::Process {
                self.begin_anew();
            }
        }
        self.end_batch();
        self.batches
    }

    fn envelope(&mut self, logged_at: DateTime<Utc>, body: &str) {
        if body.trim().is_empty() {
            return;
        }
        self.sequence += 1;
        let (sequence, sent_at) = (self.sequence, Some(logged_at));
        let message = Message { sequence, logged_at, sent_at, schema: None, body: body.as_bytes() };
        self.fold.add(&mut self.recent, &mut self.deltas, message);
    }

    fn end_batch(&mut self) {
        let deltas = std::mem::replace(&mut self.deltas, self.fold.begin());
        self.state = deltas.seen.state.unwrap_or(self.state);
        self.stored.push(deltas.seen.clone());
        self.batches.push(deltas);
    }

    /// As at a start: what has left the window is not there any more.
    fn begin_anew(&mut self) {
        self.recent = DedupWindow::new(self.window, self.state);
        let oldest = self.recent.oldest_slot();
        self.stored.retain(|seen| seen.state.is_some_and(|state| state.log_slot >= oldest));
        for seen in &self.stored {
            self.recent.remember(&seen.stored).expect("stored ids");
        }
    }
}

/// What a log must add up to: one line after the other, nothing ever forgotten but by its age. Where envelopes end does
/// not show as long as no time is doubted: so here no silence is longer than a day.
fn expected(steps: &[Step], window: WindowSeconds) -> Sum {
    let (mut sum, mut last_seen, mut now, mut slot) = (Sum::default(), BTreeMap::new(), start(), 0);
    let mut clock = LogClock::default();
    for step in steps {
        now += TimeDelta::seconds(step.passed);
        if !matches!(step.line, Line::Blank) {
            let stored_ms = now.timestamp_millis().unsigned_abs();
            clock.pass(Times { stored_ms, sent_ms: Some(stored_ms) }, window.slot_ms() * SLOTS);
            slot = clock.now_ms / window.slot_ms();
        }
        match &step.line {
            Line::Blank => {}
            Line::Unreadable(_) => *sum.parked.entry(step.line.text().into_bytes()).or_default() += 1,
            Line::Event(sent) => {
                let is_repeat = sent.event_id.is_some_and(|event_id| {
                    let known = last_seen.insert((sent.site, event_id), slot);
                    known.is_some_and(|known| slot - known <= SLOTS)
                });
                if is_repeat {
                    *sum.repeats.entry(sent.site()).or_default() += 1;
                } else {
                    sum.count(*sent);
                }
            }
        }
    }
    sum
}

fn names(counts: &Counts<'_>, dimension: Dimension) -> BTreeMap<String, u64> {
    counts.names(dimension).into_iter().map(|(name, views)| (name.to_owned(), views)).collect()
}

fn key() -> SketchKey {
    SketchKey::for_development()
}

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_762_975_801, 0).expect("an instant")
}

fn sent() -> impl Strategy<Value = Sent> {
    let user = prop::option::of(0..4u8);
    let event_id = prop::option::weighted(0.8, 0..5u8);
    let numbers = (0..2u8, 0..2u8, 0..3u8, 0..3u8, 0..5u8);
    (numbers, user, event_id).prop_map(|((site, kind, path, day, referrer), user, event_id)| Sent {
        site,
        kind,
        path,
        day,
        user,
        event_id,
        referrer,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let line = prop_oneof![
        8 => sent().prop_map(Line::Event),
        1 => (0..3u8).prop_map(Line::Unreadable),
        1 => Just(Line::Blank),
    ];
    // Clocks of the log's server may be set back; silence may be longer than any window.
    let passed = prop_oneof![6 => Just(0), 6 => 0..300i64, 2 => 0..4_000i64, 1 => -200..0i64, 1 => 0..86_000i64];
    let cut =
        prop_oneof![4 => Just(Cut::Nothing), 2 => Just(Cut::Envelope), 2 => Just(Cut::Batch), 1 => Just(Cut::Process)];
    (line, passed, cut).prop_map(|(line, passed, cut)| {
        // Blank lines alone are no envelope: their silences would add up to more than one that is believed.
        let passed = if matches!(line, Line::Blank) { 0 } else { passed };
        Step { line, passed, cut }
    })
}

fn window() -> impl Strategy<Value = WindowSeconds> {
    prop_oneof![Just(60), Just(3_600), 60..=86_400u32].prop_map(|seconds| seconds.try_into().expect("a window"))
}

fn config() -> Config {
    Config { failure_persistence: None, ..Config::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn cuts_and_restarts_do_not_show(steps in prop::collection::vec(step(), 0..80), window in window()) {
        let whole: Vec<_> = steps.iter().cloned().map(|step| Step { cut: Cut::Nothing, ..step }).collect();
        let expected = expected(&steps, window);
        prop_assert_eq!(&Sum::of(&Reader::new(window).read(&whole)), &expected);
        prop_assert_eq!(&Sum::of(&Reader::new(window).read(&steps)), &expected);
    }

    #[test]
    fn the_order_in_which_batches_are_added_up_does_not_show(
        (batches, shuffled) in (prop::collection::vec(step(), 0..60), window()).prop_flat_map(|(steps, window)| {
            let batches = Reader::new(window).read(&steps);
            (Just(batches.clone()), Just(batches).prop_shuffle())
        }),
    ) {
        prop_assert_eq!(Sum::of(&shuffled), Sum::of(&batches));
    }

    #[test]
    fn the_total_is_the_sum_of_the_days(steps in prop::collection::vec(step(), 0..60), window in window()) {
        for deltas in Reader::new(window).read(&steps) {
            let mut total: BTreeMap<(String, String), Row> = BTreeMap::new();
            let sorted = deltas.sorted();
            for (site, kind, _, counts) in sorted.daily() {
                total.entry((site.to_owned(), kind.to_owned())).or_default().add(&Row::of(&counts));
                for dimension in Dimension::ALL {
                    prop_assert_eq!(names(&counts, dimension).values().sum::<u64>(), counts.views());
                }
            }
            let said: BTreeMap<_, _> =
                sorted.total().map(|(site, kind, counts)| ((site.to_owned(), kind.to_owned()), Row::of(&counts))).collect();
            prop_assert_eq!(said, total);
        }
    }

    #[test]
    fn the_second_fold_is_the_fourth_without_referrers(steps in prop::collection::vec(step(), 0..60), window in window()) {
        let second = Fold::of_version(key(), FoldVersion::OLDEST);
        let fourth = Fold::of_version(key(), FoldVersion::try_from(4).expect("a version"));
        let mut without = Sum::of(&Reader::of_fold(fourth, window).read(&steps));
        without.daily.values_mut().chain(without.total.values_mut()).for_each(|row| row.referrers.clear());
        prop_assert_eq!(Sum::of(&Reader::of_fold(second, window).read(&steps)), without);
    }

    #[test]
    fn however_repeats_mingle_each_event_counts_once(
        (events, mingled) in prop::collection::vec((sent(), 1..4usize), 0..30).prop_flat_map(|drawn| {
            let with_id = |(id, (sent, times)): (u8, (Sent, usize))| (Sent { event_id: Some(id), ..sent }, times);
            let events: Vec<(Sent, usize)> = (0..).zip(drawn).map(with_id).collect();
            let mingled = events.iter().flat_map(|(sent, times)| vec![*sent; *times]).collect::<Vec<_>>();
            (Just(events), Just(mingled).prop_shuffle())
        }),
        cuts in prop::collection::vec(step(), 90),
        seconds in 0..3_600i64,
    ) {
        let hour = 3_600.try_into().expect("a window");
        let steps = |sent: Vec<Sent>| -> Vec<Step> {
            let lines = sent.into_iter().map(Line::Event);
            lines.zip(&cuts).map(|(line, Step { cut, .. })| Step { line, passed: 0, cut: *cut }).collect()
        };
        let once = Sum::of(&Reader::new(hour).read(&steps(events.iter().map(|(sent, _)| *sent).collect())));
        let mut steps = steps(mingled);
        let middle = steps.len() / 2;
        if let Some(step) = steps.get_mut(middle) {
            step.passed = seconds;
        }
        let all = Sum::of(&Reader::new(hour).read(&steps));
        let repeated = events.iter().map(|(_, times)| *times as u64 - 1).sum::<u64>();
        prop_assert_eq!(all.repeats.values().sum::<u64>(), repeated);
        prop_assert_eq!(Sum { repeats: BTreeMap::new(), ..all }, once);
    }

    #[test]
    fn an_id_is_known_for_the_window_and_a_sixtieth_at_most(window in window(), begin in 0..10_000_000i64, after in 0..200_000_000i64) {
        let (window_ms, begin) = (i64::from(window.get()) * 1_000, start() + TimeDelta::milliseconds(begin));
        let after = after % (2 * window_ms);
        let mut recent = DedupWindow::new(window, DedupState::default());
        let mut is_repeat = |at| recent.is_repeat(EventDigest(1), at, &mut SeenIds::default());
        prop_assert!(!is_repeat(begin));
        let is_known = is_repeat(begin + TimeDelta::milliseconds(after));
        // A sixtieth is rounded up to a millisecond.
        let known_max_ms = window_ms + window_ms / 60 + 61;
        prop_assert!(is_known || after > window_ms, "not known after {after} ms");
        prop_assert!(!is_known || after < known_max_ms, "still known after {after} ms");
    }
}
