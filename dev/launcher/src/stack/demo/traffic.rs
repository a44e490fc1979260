//! Simulated visitors. The same seed and instant give the same events.

mod site;

use chrono::{DateTime, Datelike, Duration, TimeDelta, Timelike, Utc};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;

pub(super) use site::SITES;
use site::{HOUR_WEIGHTS, Site, WEEKDAY_PERCENT};

/// Length of the history.
const HISTORY_DAYS: i64 = 30;

/// Seed of the history; an arbitrary constant.
const SEED: u64 = 0x7469_6465_6d61_726b;

/// Maximum pages of a visit.
const VISIT_PAGES_MAX: u32 = 9;

/// Share of pages that lead to a next one.
const NEXT_PAGE_PERCENT: u32 = 52;

/// Share of visits without a user.
const ANONYMOUS_PERCENT: u32 = 18;

/// Share of visits that end with a goal of the site.
const GOAL_PERCENT: u32 = 9;

/// An event as ingest takes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_field_names, reason = "the wire format names them")]
pub(super) struct Event {
    pub(super) site_id: &'static str,
    pub(super) event_type: &'static str,
    pub(super) path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_id: Option<String>,
    pub(super) timestamp: DateTime<Utc>,
    pub(super) event_id: String,
}

/// A month of events that ends at `until`, in the order of time.
pub(super) fn history(until: DateTime<Utc>) -> Vec<Event> {
    let mut rng = StdRng::seed_from_u64(SEED);
    let mut events = Vec::new();
    let start = until - TimeDelta::days(HISTORY_DAYS);
    let first_hour = start - TimeDelta::nanoseconds(i64::from(start.nanosecond()));
    for site in &SITES {
        for hour in 0..HISTORY_DAYS * 24 {
            let begin = first_hour + TimeDelta::hours(hour);
            for _ in 0..visits_in_hour(site, begin, &mut rng) {
                let arrival = begin + TimeDelta::seconds(rng.random_range(0..3_600));
                visit(site, arrival, &mut rng, &mut events);
            }
        }
    }
    events.retain(|event| event.timestamp < until);
    events.sort_by_key(|event| event.timestamp);
    let run = until.timestamp();
    for (number, event) in events.iter_mut().enumerate() {
        event.event_id = format!("history-{run}-{number}");
    }
    events
}

/// Live page views of changing visitors.
pub(super) struct Live {
    rng: StdRng,
    run: i64,
    number: u64,
}

impl Live {
    /// Live traffic from this instant, which is part of the event ids.
    pub(super) fn new(start: DateTime<Utc>) -> Self {
        let run = start.timestamp_millis();
        Self { rng: StdRng::seed_from_u64(SEED ^ run.cast_unsigned()), run, number: 0 }
    }

    /// The event at `timestamp`.
    pub(super) fn event(&mut self, timestamp: DateTime<Utc>) -> Event {
        let total: u32 = SITES.iter().map(|site| site.visits_per_day).sum();
        let mut place = self.rng.random_range(0..total);
        let mut site = &SITES[0];
        for candidate in &SITES {
            site = candidate;
            match place.checked_sub(candidate.visits_per_day) {
                Some(rest) => place = rest,
                None => break,
            }
        }
        let user_id = user(site, &mut self.rng);
        let mut event = page_view(site, timestamp, user_id, &mut self.rng);
        if self.rng.random_range(0..100) < GOAL_PERCENT {
            let (event_type, path) = pick(site.goals, &mut self.rng);
            event = Event { event_type, path: (*path).to_owned(), ..event };
        }
        self.number += 1;
        event.event_id = format!("live-{}-{}", self.run, self.number);
        event
    }
}

/// Number of visits in the hour that begins at `hour`: it depends on chance, weekday, and time of day.
fn visits_in_hour(site: &Site, hour: DateTime<Utc>, rng: &mut StdRng) -> u32 {
    let weekday = WEEKDAY_PERCENT[hour.weekday().num_days_from_monday() as usize];
    let weight = HOUR_WEIGHTS[hour.hour() as usize];
    let chance_percent = rng.random_range(80..=120);
    let scale = HOUR_WEIGHTS.iter().sum::<u32>() * 100 * 100;
    let visits = site.visits_per_day * weekday * weight * chance_percent;
    // The fraction of a visit is its probability.
    visits / scale + u32::from(rng.random_range(0..scale) < visits % scale)
}

fn visit(site: &Site, arrival: DateTime<Utc>, rng: &mut StdRng, events: &mut Vec<Event>) {
    let user_id = user(site, rng);
    let mut timestamp = arrival;
    for _ in 0..VISIT_PAGES_MAX {
        events.push(page_view(site, timestamp, user_id.clone(), rng));
        timestamp += Duration::seconds(rng.random_range(4..180));
        if rng.random_range(0..100) >= NEXT_PAGE_PERCENT {
            break;
        }
    }
    if rng.random_range(0..100) < GOAL_PERCENT {
        let (event_type, path) = pick(site.goals, rng);
        let path = (*path).to_owned();
        events.push(Event { event_type, path, ..page_view(site, timestamp, user_id, rng) });
    }
}

fn page_view(site: &Site, timestamp: DateTime<Utc>, user_id: Option<String>, rng: &mut StdRng) -> Event {
    let path = site.path(long_tailed(site.paths_count(), rng));
    Event { site_id: site.id, event_type: "page_view", path, user_id, timestamp, event_id: String::new() }
}

/// Picks a user: few come often, most once or twice.
fn user(site: &Site, rng: &mut StdRng) -> Option<String> {
    let number = rng.random_range(0..site.users).min(rng.random_range(0..site.users));
    (rng.random_range(0..100) >= ANONYMOUS_PERCENT).then(|| format!("{}-user-{number}", site.id))
}

/// Picks an index below `count`: small ones often, large ones seldom.
fn long_tailed(count: u32, rng: &mut StdRng) -> u32 {
    let bound = rng.random_range(1..=count);
    let bound = rng.random_range(1..=bound);
    rng.random_range(0..bound)
}

fn pick<'a, T>(choices: &'a [T], rng: &mut StdRng) -> &'a T {
    &choices[rng.random_range(0..choices.len())]
}

#[cfg(test)]
mod tests;
