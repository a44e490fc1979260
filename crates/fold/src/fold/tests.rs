use std::collections::BTreeMap;

use chrono::DateTime;

use super::*;
use crate::dedup::DedupState;
use crate::dimension::columns;
use crate::sorted::Counts;

fn fold() -> Fold {
    Fold::new(SketchKey::for_development())
}

fn recent() -> DedupWindow {
    DedupWindow::new(3_600.try_into().expect("an hour"), DedupState::default())
}

fn message(sequence: u64, body: &str) -> Message<'_> {
    Message { sequence, logged_at: DateTime::UNIX_EPOCH, sent_at: None, schema: None, body: body.as_bytes() }
}

fn event(site: &str, path: &str, day: u32, user: &str) -> String {
    format!(
        r#"{{"site_id":"{site}","event_type":"page_view","path":"{path}","timestamp":"2025-11-{day:02}T23:30:00Z","user_id":"{user}"}}"#
    )
}

fn said(counts: &Counts<'_>) -> String {
    let paths: BTreeMap<_, _> = counts.names(Dimension::Path).into_iter().collect();
    format!("{} views, {} users, {paths:?}", counts.views(), counts.users().len())
}

/// A picture of deltas: one line a site, type and day.
fn picture(deltas: &Deltas) -> Vec<String> {
    deltas.sorted().daily().map(|(site, kind, day, counts)| format!("{site} {kind} {day}: {}", said(&counts))).collect()
}

#[test]
fn events_add_up_by_site_type_day_and_path() {
    let body = [
        event("b", "/", 1, "u1"),
        event("a", "/x?q=1", 2, "u1"),
        event("a", "/x#top", 2, "u1"),
        event("a", "/y", 2, "u2"),
        event("a", "/y", 1, ""),
        event("a", "/y", 1, "u1").replace("page_view", "signup"),
        event("a", "/late", 1, "u3").replace("23:30:00Z", "23:30:00-01:00"),
    ]
    .join("\n");
    let mut deltas = fold().begin();
    fold().add(&mut recent(), &mut deltas, message(1, &body));
    assert_eq!(
        picture(&deltas),
        [
            r#"a page_view 2025-11-01: 1 views, 0 users, {"/y": 1}"#,
            r#"a page_view 2025-11-02: 4 views, 3 users, {"/late": 1, "/x": 2, "/y": 1}"#,
            r#"a signup 2025-11-01: 1 views, 1 users, {"/y": 1}"#,
            r#"b page_view 2025-11-01: 1 views, 1 users, {"/": 1}"#,
        ]
    );
    let sorted = deltas.sorted();
    let totals: Vec<_> =
        sorted.total().map(|(site, kind, counts)| format!("{site} {kind}: {}", said(&counts))).collect();
    assert_eq!(
        totals,
        [
            r#"a page_view: 5 views, 3 users, {"/late": 1, "/x": 2, "/y": 2}"#,
            r#"a signup: 1 views, 1 users, {"/y": 1}"#,
            r#"b page_view: 1 views, 1 users, {"/": 1}"#,
        ]
    );
    assert_eq!((deltas.events, deltas.parked.len()), (7, 0));
}

#[test]
fn what_cannot_be_read_is_parked_and_the_rest_counts() {
    let body = format!("{}\nnonsense\n\n{{}}\n{}", event("a", "/", 1, "u"), event("a", "/", 1, "u"));
    let mut deltas = fold().begin();
    fold().add(&mut recent(), &mut deltas, message(7, &body));
    fold().add(&mut recent(), &mut deltas, Message { schema: Some("event.v9"), ..message(8, &body) });
    assert_eq!(picture(&deltas), [r#"a page_view 2025-11-01: 2 views, 1 users, {"/": 2}"#]);
    let parked: Vec<_> = deltas
        .parked
        .iter()
        .map(|event| (event.sequence, event.line, event.reason.as_str(), event.event.len()))
        .collect();
    assert_eq!(
        parked,
        [
            (7, 1, "an event must be valid JSON: expected ident at line 1 column 2", 8),
            (7, 3, "site_id is required", 2),
            (8, WHOLE_ENVELOPE, "schema \"event.v9\" is unknown", body.len()),
        ]
    );
}

#[test]
fn a_repeat_counts_nothing_and_is_counted_as_one() {
    let with_id = |site: &str, id: &str| event(site, "/", 1, "u").replace('}', &format!(r#","event_id":"{id}"}}"#));
    let body = [with_id("a", "1"), with_id("b", "1"), with_id("a", "2"), with_id("a", "1"), event("a", "/", 1, "v")]
        .join("\n");
    let (mut deltas, mut recent) = (fold().begin(), recent());
    fold().add(&mut recent, &mut deltas, message(1, &body));
    fold().add(&mut recent, &mut deltas, message(2, &body));
    assert_eq!(
        picture(&deltas),
        [
            r#"a page_view 2025-11-01: 4 views, 2 users, {"/": 4}"#,
            r#"b page_view 2025-11-01: 1 views, 1 users, {"/": 1}"#,
        ]
    );
    assert_eq!(deltas.repeats, BTreeMap::from([("a".to_owned(), 4), ("b".to_owned(), 1)]));
}

#[test]
fn referrers_add_up_by_site_type_and_day() {
    let from =
        |day, referrer: &str| event("a.example", "/", day, "u").replace('}', &format!(r#","referrer":{referrer}}}"#));
    let body = [
        from(1, r#""https://google.com/search""#),
        from(1, r#""https://google.com/""#),
        from(2, r#""https://google.com/""#),
        from(1, r#""https://a.example/pricing""#),
        from(1, r#""https://www.a.example/""#),
        from(1, "[7]"),
        event("a.example", "/", 1, "u"),
        event("b.example", "/", 1, "u"),
        from(1, r#""https://a.example/""#).replace("\"a.example\"", "\"b.example\""),
    ]
    .join("\n");
    let mut deltas = fold().begin();
    fold().add(&mut recent(), &mut deltas, message(1, &body));
    let said = |counts: &Counts<'_>| -> Vec<String> {
        let line = |(name, views)| format!("{}: {views}", columns(name).collect::<Vec<_>>().join(" "));
        counts.names(Dimension::Referrer).into_iter().map(line).collect()
    };
    let sorted = deltas.sorted();
    let daily: Vec<_> = sorted.daily().map(|(site, _, day, counts)| (site, day.to_string(), said(&counts))).collect();
    let day_1 = ["host google.com: 2", "none : 1", "own : 2", "unreadable : 1"].map(str::to_owned).to_vec();
    let (day_2, of_b) = (vec!["host google.com: 1".to_owned()], ["host a.example: 1", "none : 1"].map(str::to_owned));
    assert_eq!(
        daily,
        [
            ("a.example", "2025-11-01".to_owned(), day_1),
            ("a.example", "2025-11-02".to_owned(), day_2),
            ("b.example", "2025-11-01".to_owned(), of_b.to_vec()),
        ]
    );
    let total: Vec<_> = sorted.total().map(|(site, _, counts)| (site, said(&counts))).collect();
    let of_a = ["host google.com: 3", "none : 1", "own : 2", "unreadable : 1"].map(str::to_owned).to_vec();
    assert_eq!(total, [("a.example", of_a), ("b.example", of_b.to_vec())]);
}

#[test]
fn envelopes_without_ids_move_log_time() {
    let with_id = |site: &str| event(site, "/", 1, "u").replacen('{', r#"{"event_id":"one","#, 1);
    let bodies = [with_id("a"), event("a", "/", 1, "u"), "nonsense".to_owned(), with_id("a")];
    let repeats = |version: i32| {
        let fold = Fold::of_version(SketchKey::for_development(), version.try_into().expect("a version"));
        let (mut recent, mut deltas) = (recent(), fold.begin());
        for (hour, body) in (0..).zip(&bodies) {
            let logged_at = DateTime::from_timestamp(1_762_975_801 + hour * 1_800, 0).expect("an instant");
            let at = Message { logged_at, ..message(7, body) };
            fold.add(&mut recent, &mut deltas, at);
            let moved = logged_at.timestamp().unsigned_abs() / 60;
            assert!(version < 5 || recent.state().log_slot == moved, "fold {version} in hour {hour}");
        }
        assert_eq!(deltas.parked[0].log_slot.is_some(), version >= 5);
        (deltas.repeats(), deltas.seen.state.map(|state| state.log_slot))
    };
    let last = Some((1_762_975_801 + 5_400) / 60);
    assert_eq!([2, 3, 4, 5].map(repeats), [(0, last); 4], "an hour and a half apart");
}

#[test]
fn an_erased_envelope_moves_log_time() {
    let (mut recent, mut deltas) = (recent(), fold().begin());
    let logged_at = DateTime::from_timestamp(1_762_975_801, 0).expect("an instant");
    fold().pass(&mut recent, &mut deltas, Message { logged_at, ..message(7, "") });
    assert_eq!(deltas.seen.state.map(|state| state.log_slot), Some(1_762_975_801 / 60));
}
