//! The traffic looks like traffic, and always the same.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeZone;

use super::*;

fn until() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2025, 11, 13, 12, 30, 0).single().expect("an instant that exists")
}

#[test]
fn the_same_instant_gives_the_same_history() {
    assert_eq!(history(until()), history(until()));
}

#[test]
fn a_history_has_tens_of_thousands_of_events_of_the_last_month_in_order() {
    let events = history(until());
    assert!((20_000..80_000).contains(&events.len()), "{}", events.len());
    assert!(events.is_sorted_by_key(|event| event.timestamp));
    assert!(events.iter().all(|event| event.timestamp < until()));
    assert!(events[0].timestamp >= until() - TimeDelta::days(HISTORY_DAYS));
    let ids: BTreeSet<&str> = events.iter().map(|event| event.event_id.as_str()).collect();
    assert_eq!(ids.len(), events.len());
}

#[test]
fn users_return_and_some_are_unknown() {
    let events = history(until());
    let named = events.iter().filter_map(|event| event.user_id.as_deref());
    let users: BTreeSet<&str> = named.clone().collect();
    assert!(users.len() * 3 < named.count());
    assert!(events.iter().any(|event| event.user_id.is_none()));
}

#[test]
fn every_site_has_a_favourite_page_and_a_long_tail() {
    let events = history(until());
    for site in &SITES {
        let mut views = BTreeMap::<&str, usize>::new();
        for event in events.iter().filter(|event| event.site_id == site.id && event.event_type == "page_view") {
            *views.entry(&event.path).or_default() += 1;
        }
        let total: usize = views.values().sum();
        let most = views.values().max().copied().unwrap_or_default();
        assert_eq!(views.get(site.path(0).as_str()), Some(&most), "{}", site.id);
        assert!(most * 2 < total && views.len() > 10, "{}: {most} of {total}, {} paths", site.id, views.len());
    }
}

#[test]
fn page_views_are_the_most_but_not_all() {
    let events = history(until());
    let views = events.iter().filter(|event| event.event_type == "page_view").count();
    assert!(views * 10 > events.len() * 9 && views < events.len());
}

#[test]
fn nights_and_weekends_are_quiet() {
    let events = history(until());
    let at_hour = |hour| events.iter().filter(|event| event.timestamp.hour() == hour).count();
    assert!(at_hour(15) > 4 * at_hour(3));
    let on_day = |day| events.iter().filter(|event| event.timestamp.weekday().num_days_from_monday() == day).count();
    assert!(on_day(2) > on_day(6));
}

#[test]
fn live_events_happen_when_they_are_asked_for_and_never_twice() {
    let mut live = Live::new(until());
    let events: Vec<Event> = (0..500).map(|_| live.event(until())).collect();
    assert!(events.iter().all(|event| event.timestamp == until()));
    let ids: BTreeSet<&str> = events.iter().map(|event| event.event_id.as_str()).collect();
    assert_eq!(ids.len(), events.len());
    let sites: BTreeSet<&str> = events.iter().map(|event| event.site_id).collect();
    assert_eq!(sites.len(), SITES.len());
}
