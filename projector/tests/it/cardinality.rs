use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, NaiveDate};
use contract::SketchKey;
use fold::{Caps, DedupState, DedupWindow, Fold, Message, NameCaps};
use projector::read_models::commit::{Batch, commit};
use projector::read_models::write::SliceWriter;
use serde_json::json;

use crate::commit::{Database, at};

const EVENTS: usize = 400;

/// Caps that they reach all of.
const SMALL: Caps = Caps { types: 3, far_months: 2, names: [PATHS, HOSTS] };

const PATHS: NameCaps = NameCaps { daily: 5, total: 9 };

const HOSTS: NameCaps = NameCaps { daily: 2, total: 3 };

const TABLES: &str = "
    select format('view_daily %s %s %s', site_id, event_type, day), views::text from view_daily
    union all select format('view_total %s %s', site_id, event_type), views::text from view_total
    union all select format('path_daily %s %s %s %s', site_id, event_type, day, path), views::text from path_daily
    union all select format('path_total %s %s %s', site_id, event_type, path), views::text from path_total
    union all select format('referrer_daily %s %s %s %s', site_id, event_type, day, host), views::text from referrer_daily
    union all select format('referrer_total %s %s %s', site_id, event_type, host), views::text from referrer_total
    union all select format('user_daily %s %s %s', site_id, event_type, day), md5(sketch) from user_daily
    union all select format('user_total %s %s', site_id, event_type), md5(sketch) from user_total";

type Rows = BTreeMap<String, String>;

struct Sent {
    site_id: String,
    event_type: String,
    day: NaiveDate,
    path: String,
    host: String,
}

/// Most names come again, some of them late; days are of 2019 and 2020, and of long ago.
fn events() -> Vec<Sent> {
    let mut state = 7_u64;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let end = NaiveDate::from_ymd_opt(2020, 1, 3).expect("a day");
    let event = |_| Sent {
        site_id: format!("site-{}", next(2)),
        event_type: format!("type-{}", next(2) * next(4)),
        day: end - Days::new(next(4) * next(3) * next(60)),
        path: format!("/{}", next(4) * next(5)),
        host: format!("{}.example", next(3) * next(4)),
    };
    (0..EVENTS).map(event).collect()
}

/// Folds the events in batches of this size; what is remembered between two of them is forgotten now and then.
async fn folded(batch_events: usize, forget: impl Fn(u64) -> bool) -> Rows {
    let database = Database::start().await;
    let fold = Fold::new(SketchKey::for_development()).with_caps(SMALL);
    let (mut writer, mut from) = (SliceWriter::new(database.slice), at(0, 0));
    for (last_sequence, events) in (1..).zip(events().chunks(batch_events)) {
        if forget(last_sequence) {
            writer.forget();
        }
        let lines = events.iter().enumerate().map(|(number, event)| {
            json!({
                "site_id": event.site_id, "event_type": event.event_type, "path": event.path, "user_id": number.to_string(),
                "timestamp": format!("{}T12:00:00Z", event.day), "referrer": format!("https://{}/", event.host),
            })
            .to_string()
        });
        let body = lines.collect::<Vec<_>>().join("\n");
        let (mut recent, mut deltas) =
            (DedupWindow::new(3_600.try_into().expect("an hour"), DedupState::default()), fold.begin());
        let logged_at = DateTime::UNIX_EPOCH;
        let message =
            Message { sequence: last_sequence, logged_at, sent_at: None, schema: None, body: body.as_bytes() };
        fold.add(&mut recent, &mut deltas, message);
        let batch = Batch { deltas, last_sequence, last_logged_at: Some(logged_at), envelopes: 1, pending: 0 };
        from = commit(&database.pool, &mut writer, from, &batch).await.expect("committed");
    }
    let rows: Vec<(String, String)> = sqlx::query_as(TABLES).fetch_all(&database.pool).await.expect("Postgres answers");
    rows.into_iter().collect()
}

/// The first names that come have rows of their own.
#[derive(Default)]
struct Admitted(BTreeMap<String, BTreeSet<String>>);

impl Admitted {
    fn has(&mut self, of: &str, name: &str, cap: u64) -> bool {
        let names = self.0.entry(of.to_owned()).or_default();
        let is_known = names.contains(name);
        if !is_known && (names.len() as u64) < cap {
            names.insert(name.to_owned());
            return true;
        }
        is_known
    }

    fn name<'a>(&mut self, of: &str, (event_type, name): (&str, &'a str), cap: u64) -> &'a str {
        if self.has(of, &format!("{event_type} {name}"), cap) { name } else { "(other)" }
    }
}

/// What one event after the other counts to.
fn plain() -> Rows {
    let (mut rows, mut admitted) = (BTreeMap::<String, u64>::new(), Admitted::default());
    for Sent { site_id: site, event_type, day, path, host } in events() {
        let has_type = admitted.has(&format!("types {site}"), &event_type, SMALL.types);
        let kind = if has_type { event_type.as_str() } else { "(other)" };
        let is_near = day >= NaiveDate::from_ymd_opt(2020, 1, 1).expect("a day");
        let month = day.format("%Y-%m").to_string();
        let is_dated = is_near || admitted.has(&format!("months {site}"), &month, SMALL.far_months);
        let mut count = |row: String| *rows.entry(row).or_default() += 1;
        count(format!("view_total {site} {kind}"));
        let total = admitted.name(&format!("paths {site}"), (kind, &path), PATHS.total);
        count(format!("path_total {site} {kind} {total}"));
        let total = admitted.name(&format!("hosts {site}"), (kind, &host), HOSTS.total);
        count(format!("referrer_total {site} {kind} {total}"));
        if is_dated {
            count(format!("view_daily {site} {kind} {day}"));
            let daily = admitted.name(&format!("paths {site} {day}"), (kind, &path), PATHS.daily);
            count(format!("path_daily {site} {kind} {day} {daily}"));
            let daily = admitted.name(&format!("hosts {site} {day}"), (kind, &host), HOSTS.daily);
            count(format!("referrer_daily {site} {kind} {day} {daily}"));
        }
    }
    rows.into_iter().map(|(row, views)| (row, views.to_string())).collect()
}

#[tokio::test]
async fn the_first_names_of_the_log_have_rows_however_it_is_cut() {
    let whole = folded(EVENTS, |_| false).await;
    let counted: Rows =
        whole.iter().filter(|(row, _)| !row.starts_with("user_")).map(|(a, b)| (a.clone(), b.clone())).collect();
    let plain = plain();
    assert_eq!(counted, plain);
    for row in ["view_total", "path_daily", "path_total", "referrer_daily", "referrer_total"] {
        assert!(plain.keys().any(|key| key.starts_with(row) && key.contains("(other)")), "no cap of {row} is reached");
    }
    let [daily, total] = ["view_daily", "view_total"].map(|table| {
        let views = plain.iter().filter(|(row, _)| row.starts_with(table)).map(|(_, views)| views.parse::<usize>());
        views.map(|views| views.expect("a number")).sum::<usize>()
    });
    assert!(daily < total && total == EVENTS, "some days are of too many months: {daily} of {total}");
    let forgets: [fn(u64) -> bool; 3] = [|_| false, |_| true, |batch| batch % 3 == 0];
    for (batch_events, forget) in [1, 7, 60].into_iter().zip(forgets) {
        let counted: Rows =
            folded(batch_events, forget).await.into_iter().filter(|(row, _)| !row.starts_with("user_")).collect();
        assert_eq!(counted, plain, "in batches of {batch_events}");
    }
}
