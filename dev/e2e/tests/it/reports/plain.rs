//! Events as they come, and what they count to: nothing here knows how Tidemark counts.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::json;

/// Names that a careless pattern, or a careless comparison, would take for one another.
pub(crate) const SITES: [&str; 7] = ["site-a", "site-ab", "site_a", "Site-a", "site.a", "b:1", "0"];

/// Sites with a few events a month: a part of a month has as many views as the whole had some events before, now and then.
pub(crate) const QUIET_SITES: [&str; 6] = ["quiet-0", "quiet-1", "quiet-2", "quiet-3", "quiet-4", "quiet-5"];

pub(crate) const TYPES: [&str; 4] = ["page_view", "page_views", "signup", "Page_view"];

const PATHS: [&str; 18] = [
    "/", "/a", "/A", "/a/", "/a/b", "/ab", "/a%b", "/a_b", "/a*b", "/a,b", "/\"a\"", "/a'b", "/é", "/日本", "/a b",
    "/=1+1", "/\\", "/b",
];

const USERS: u32 = 60;

const QUIET_USERS: u32 = 6;

/// What is sent as `referrer`, and the kind and the host that it counts as.
const REFERRERS: [(Option<&str>, &str, &str); 8] = [
    (None, "none", ""),
    (Some(""), "none", ""),
    (Some("https://google.com/search?q=a"), "host", "google.com"),
    (Some("https://Google.com."), "host", "google.com"),
    (Some("http://www.google.com:8080/"), "host", "www.google.com"),
    (Some("android-app://com.example/"), "host", "com.example"),
    (Some("no URL"), "unreadable", ""),
    (Some("file:///a"), "unreadable", ""),
];

/// An event that was sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) site_id: &'static str,
    pub(crate) event_type: &'static str,
    pub(crate) day: NaiveDate,
    pub(crate) path: &'static str,
    pub(crate) user: Option<u32>,
    /// The kind and the host.
    pub(crate) referrer: (&'static str, &'static str),
    pub(crate) json: String,
}

/// The first day with events, and how many days have some: the end of a year, of two months and of some weeks.
pub(crate) fn days() -> (NaiveDate, u64) {
    (NaiveDate::from_ymd_opt(2024, 12, 20).expect("a day"), 50)
}

/// The first day with events of quiet sites, and how many days have some: six months.
pub(crate) fn quiet_days() -> (NaiveDate, u64) {
    (NaiveDate::from_ymd_opt(2025, 3, 1).expect("a day"), 184)
}

/// Events in no order at all: many days are written to again when later ones have been. Of the last `late`, half are of quiet
/// sites.
pub(crate) fn events(count: usize, late: usize, seed: u64) -> Vec<Sent> {
    let mut random = StdRng::seed_from_u64(seed);
    let is_quiet = |number: usize| number.is_multiple_of(if number < count - late { 20 } else { 2 });
    (0..count)
        .map(|number| if is_quiet(number) { quiet(number, &mut random) } else { event(number, &mut random) })
        .collect()
}

fn event(number: usize, random: &mut StdRng) -> Sent {
    let (first, length) = days();
    // Now and then one that is years late.
    let day = if random.random_ratio(1, 50) {
        first - Days::new(3_000)
    } else {
        first + Days::new(random.random_range(0..length))
    };
    // The smaller of two numbers: some sites, types and paths have most of the events.
    let mut place = |length: usize| random.random_range(0..length).min(random.random_range(0..length));
    let (site_id, event_type, path) = (SITES[place(SITES.len())], TYPES[place(TYPES.len())], PATHS[place(PATHS.len())]);
    let user = random.random_ratio(4, 5).then(|| random.random_range(0..USERS));
    let referrer = *REFERRERS.choose(random).expect("a referrer");
    Draft { site_id, event_type, day, path, user, referrer }.sent(number, random)
}

fn quiet(number: usize, random: &mut StdRng) -> Sent {
    let (first, length) = quiet_days();
    Draft {
        site_id: QUIET_SITES.choose(random).expect("a site"),
        event_type: TYPES[0],
        day: if random.random_ratio(1, 10) { today() } else { first + Days::new(random.random_range(0..length)) },
        path: PATHS.choose(random).expect("a path"),
        user: random.random_ratio(1, 2).then(|| random.random_range(0..QUIET_USERS)),
        referrer: *REFERRERS.choose(random).expect("a referrer"),
    }
    .sent(number, random)
}

#[expect(clippy::disallowed_methods, reason = "totals of today are pushed")]
fn today() -> NaiveDate {
    Utc::now().date_naive()
}

/// What an event says, however it says it.
struct Draft {
    site_id: &'static str,
    event_type: &'static str,
    day: NaiveDate,
    path: &'static str,
    user: Option<u32>,
    referrer: (Option<&'static str>, &'static str, &'static str),
}

impl Draft {
    fn sent(self, number: usize, random: &mut StdRng) -> Sent {
        let Self { site_id, event_type, day, path, user, referrer: (referrer, kind, host) } = self;
        // What is left of today is in the future.
        let seconds = if day == today() { 0 } else { random.random_range(0..86_400) };
        let time = NaiveTime::from_num_seconds_from_midnight_opt(seconds, 0).expect("a time");
        // The same instant, with the offset of another time zone.
        let offset_minutes = *[0, 0, 330, -480, 840].choose(random).expect("an offset");
        let local = day.and_time(time) + TimeDelta::minutes(offset_minutes);
        let sign = if offset_minutes < 0 { '-' } else { '+' };
        let (hours, minutes) = (offset_minutes.abs() / 60, offset_minutes.abs() % 60);
        let timestamp = format!("{}{sign}{hours:02}:{minutes:02}", local.format("%Y-%m-%dT%H:%M:%S"));
        let more = ["", "", "?utm=x", "#top"].choose(random).expect("an ending");
        let json = json!({
            "event_id": format!("event-{number}"), "site_id": site_id, "event_type": event_type, "timestamp": timestamp,
            "path": format!("{path}{more}"), "user_id": user.map(|user| format!("user-{user}")),
            "referrer": referrer,
        });
        Sent { site_id, event_type, day, path, user, referrer: (kind, host), json: json.to_string() }
    }
}

/// Views and different users.
pub(crate) fn count<'a>(events: impl IntoIterator<Item = &'a Sent>) -> (usize, usize) {
    let (mut views, mut users) = (0, BTreeSet::new());
    for event in events {
        views += 1;
        users.extend(event.user);
    }
    (views, users.len())
}

/// Views by a name, the most viewed first, equal ones in byte order.
pub(crate) fn ranked<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<(&'a str, usize)> {
    let mut views = BTreeMap::new();
    for name in names {
        *views.entry(name).or_insert(0) += 1;
    }
    let mut views: Vec<_> = views.into_iter().collect();
    views.sort_by_key(|(name, views)| (std::cmp::Reverse(*views), *name));
    views
}

/// The days of a range, put together if they have the same week or month.
pub(crate) fn buckets(interval: &str, first: NaiveDate, last: NaiveDate) -> Vec<(NaiveDate, NaiveDate)> {
    let key = |day: NaiveDate| match interval {
        "day" => (day.year(), day.ordinal()),
        "week" => (day.iso_week().year(), day.iso_week().week()),
        _ => (day.year(), day.month()),
    };
    let mut buckets: Vec<(NaiveDate, NaiveDate)> = Vec::new();
    for day in first.iter_days().take_while(|day| *day <= last) {
        match buckets.last_mut() {
            Some((begin, end)) if key(*begin) == key(day) => *end = day,
            _ => buckets.push((day, day)),
        }
    }
    buckets
}

/// A cell as RFC 4180 wants it.
pub(crate) fn cell(text: &str) -> String {
    let is_special = text.contains([',', '"', '\r', '\n']);
    if is_special { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
