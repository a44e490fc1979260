use std::collections::BTreeMap;

use serde_json::Value;
use testkit::failure::TestResult;
use testkit::stack::{DATABASE, Stack};

use crate::generations::have_become;
use crate::inputs::traffic::Traffic;
use crate::traffic::post;

/// Views by what they count as: a host, or a word in brackets.
type Views = BTreeMap<String, u64>;

/// Referrers came with a later version of the fold than the one that counted this log: its history is replayed.
#[tokio::test]
async fn referrers_of_an_access_log_count_to_what_a_plain_count_says() -> TestResult {
    let traffic = Traffic::load();
    println!("{} events, {}", traffic.lines.len(), traffic.source);
    let stack = Stack::servers().await?;
    let _ingest = stack.ingest(&[]).await?;
    let before = stack.projector(DATABASE, &[("FOLD_VERSION", "2")]).await?;
    let _query = stack.query().await?;
    post(&stack, &traffic).await?;
    stack.drained(DATABASE).await?;
    before.process.stop().await;
    let _projector = stack.projector(DATABASE, &[]).await?;
    have_become(&stack.database(DATABASE)?, &[(1, "retired"), (2, "active")]).await;

    for event_type in ["page_view", "request"] {
        let days: Vec<&str> = traffic.days.keys().map(String::as_str).collect();
        for day in [&[""], &days[..]].concat() {
            let expected = counted(&traffic, event_type, day);
            let period = if day.is_empty() { String::new() } else { format!("&date={day}") };
            let query = format!("site_id={}&event_type={event_type}&include=referrers{period}", traffic.site_id);
            let report = stack.query_client.get(&format!("/stats?{query}&limit=1000")).await?.json();
            assert_eq!(said(&report["referrers"]), expected, "{query}");
            assert_eq!(report["total_views"].as_u64(), Some(expected.values().sum()), "{query}");
            assert!(expected.len() > 5, "{query}: {expected:?}");
        }
    }
    Ok(())
}

/// What a report says, and in the order in which it has to say it.
fn said(referrers: &Value) -> Views {
    let number = |value: &Value| value.as_u64().expect("a number");
    let top = referrers["top"].as_array().expect("hosts").iter();
    let top: Vec<_> = top.map(|top| (top["host"].as_str().expect("a host"), number(&top["views"]))).collect();
    assert!(top.is_sorted_by(|(host, views), (next, fewer)| views > fewer || (views == fewer && host < next)));
    let mut views: Views = top.into_iter().map(|(host, views)| (host.to_owned(), views)).collect();
    for kind in ["own", "none", "unreadable"] {
        views.insert(format!("({kind})"), number(&referrers[kind]));
    }
    views
}

/// Views by kind and host of the referrer, counted from the lines.
fn counted(traffic: &Traffic, event_type: &str, day: &str) -> Views {
    let mut views: Views = ["(own)", "(none)", "(unreadable)"].map(|kind| (kind.to_owned(), 0)).into();
    for line in &traffic.lines {
        let event: Value = serde_json::from_str(line).expect("JSON");
        if event["event_type"] == event_type && event["timestamp"].as_str().expect("a time").starts_with(day) {
            *views.entry(word(event["referrer"].as_str().unwrap_or_default(), &traffic.site_id)).or_default() += 1;
        }
    }
    views
}

/// What a referrer counts as. Knows no more of URLs than these logs have in them.
fn word(referrer: &str, site_id: &str) -> String {
    let url = referrer.to_lowercase();
    let places = ["http://", "https://", "android-app://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    let host = places.and_then(|places| places.split(['/', '?', '#', ':']).next());
    match host.map(|host| host.strip_suffix('.').unwrap_or(host)) {
        None if url.is_empty() => "(none)".to_owned(),
        // Where the log of the web server had bytes that are no text.
        Some(host) if host.contains('\\') => "(unreadable)".to_owned(),
        None | Some("") => "(unreadable)".to_owned(),
        Some(host) if host == site_id || host == format!("www.{site_id}") => "(own)".to_owned(),
        Some(host) => host.to_owned(),
    }
}
