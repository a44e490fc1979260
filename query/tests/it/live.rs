use std::time::{Duration, Instant};

use query::Config;
use serde_json::json;
use sqlx::PgPool;
use tokio::time::{sleep, timeout};

use crate::clock::Clock;
use crate::event_source::{EventSource, Piece, SOON, counts};
use crate::models::{BATCH, Batch, Models};
use crate::server::Database;
use crate::service::{Service, config, milliseconds, with_models};

const SITE: &str = "site_id=site-abc-123";

/// Totals are read after five seconds without a notification.
const SILENCE: Duration = Duration::from_secs(5);

/// A service at noon of the day of [`BATCH`], of which its models have one view by one user.
async fn at_noon() -> (Service, Models, PgPool, Clock) {
    let (service, models, db, _) = with_models().await;
    let clock = Clock::at_noon(&db).await;
    models.add(&BATCH).await;
    (service, models, db, clock)
}

/// Starts a service with another configuration.
async fn at_noon_with(change: impl FnOnce(&mut Config)) -> (Service, Models, PgPool, Clock) {
    let (_, models, db, database) = with_models().await;
    let clock = Clock::at_noon(&db).await;
    models.add(&BATCH).await;
    let mut config = config(database.service_url());
    change(&mut config);
    let service = Service::start_on(&database, config).await;
    (service, models, db, clock)
}

/// A batch as the projector commits it, up to this sequence.
fn batch(sequence: i64) -> Batch<'static> {
    Batch { sequence: Some(sequence), ..BATCH }
}

#[tokio::test]
async fn the_first_totals_come_at_once() {
    let (service, models, ..) = at_noon().await;
    models.add(&Batch { paths: &[("/", 6), ("/b", 1)], users: 0..3, ..BATCH }).await;
    models.add(&Batch { day: "2025-11-11", ..BATCH }).await;
    let response = service.request(&format!("/live?{SITE}"), None).await;
    let header = |name| response.headers().get(name).map_or("", |value| value.to_str().expect("text"));
    assert_eq!((response.status().as_u16(), header("content-type")), (200, "text/event-stream"));
    assert_eq!((header("cache-control"), header("x-accel-buffering")), ("no-cache", "no"));
    assert_eq!(header("access-control-allow-origin"), "", "no origin is configured");
    let expected = "event: totals\nid: 1/2025-11-12/8/3/page_view/site-abc-123\n\
        data: {\"site_id\":\"site-abc-123\",\"date\":\"2025-11-12\",\"total_views\":8,\"unique_users\":3,\"generation\":1}\n\n";
    let sent = timeout(SOON, EventSource::open(&service, SITE).await.raw()).await.expect("in time");
    assert_eq!(sent.as_deref(), Some(expected));
}

#[tokio::test]
async fn a_commit_is_pushed() {
    let (service, models, ..) = at_noon().await;
    let mut live = EventSource::open(&service, SITE).await;
    assert_eq!(live.counts().await, (1, 1));
    for sequence in 1..=5_u32 {
        let committed = Instant::now();
        models.add(&Batch { users: 0..sequence + 1, ..batch(sequence.into()) }).await;
        assert_eq!(live.counts().await, (u64::from(sequence) + 1, u64::from(sequence) + 1));
        assert!(committed.elapsed() < SOON, "it was heard of: {:?}", committed.elapsed());
    }
    let metrics = service.get("/metrics").await.body;
    assert!(metrics.contains("\nquery_live_clients ") && metrics.contains("\nquery_live_pushes_total "), "{metrics}");
}

#[tokio::test]
async fn nothing_of_another_site_or_type_is_told() {
    let (service, models, ..) = at_noon().await;
    let mut live = EventSource::open(&service, SITE).await;
    let mut other = EventSource::open(&service, "site_id=other.example").await;
    let mut signups = EventSource::open(&service, &format!("{SITE}&event_type=signup")).await;
    assert_eq!((live.counts().await, other.counts().await, signups.counts().await), ((1, 1), (0, 0), (0, 0)));
    models.add(&Batch { site_id: "other.example", users: 0..7, ..batch(1) }).await;
    let (_, data) = other.totals_with_id().await;
    let expected = json!({"site_id": "other.example", "date": "2025-11-12", "total_views": 1, "unique_users": 7,
        "generation": 1});
    assert_eq!(data, expected);
    models.add(&Batch { event_type: "signup", users: 0..2, ..batch(2) }).await;
    assert_eq!(signups.counts().await, (1, 2));
    // Sites and types of which one is the beginning of another, or both together read the same.
    models.add(&Batch { site_id: "site-abc-1234", ..batch(3) }).await;
    models.add(&Batch { site_id: "site-abc-123s", event_type: "ignup", ..batch(4) }).await;
    tokio::join!(live.nothing(), other.nothing(), signups.nothing());
}

#[tokio::test]
async fn clients_of_one_site_hear_the_same() {
    let (service, models, ..) = at_noon().await;
    let mut clients = vec![];
    for _ in 0..20 {
        clients.push(EventSource::open(&service, SITE).await);
    }
    let mut ids = vec![];
    for client in &mut clients {
        ids.push(client.totals_with_id().await);
    }
    models.add(&batch(1)).await;
    for client in &mut clients {
        ids.push(client.totals_with_id().await);
    }
    ids.dedup();
    assert_eq!(ids.len(), 2, "{ids:?}");
    // Clients that leave do not end the subscription of others.
    clients.truncate(1);
    models.add(&batch(2)).await;
    assert_eq!(clients[0].counts().await, (3, 1));
}

#[tokio::test]
async fn a_client_that_comes_back_is_told_what_it_has_missed() {
    let (service, models, ..) = at_noon().await;
    let mut live = EventSource::open(&service, SITE).await;
    let (first, _) = live.totals_with_id().await;
    drop(live);
    let mut back = EventSource::resume(&service, SITE, Some(&first)).await;
    back.nothing().await;
    models.add(&batch(1)).await;
    let (second, data) = back.totals_with_id().await;
    assert_eq!(counts(&data), (2, 1));
    for (last_id, is_told) in [(&*first, true), ("", true), ("what is this?", true), (&*second, false)] {
        let mut back = EventSource::resume(&service, SITE, Some(last_id)).await;
        if is_told {
            assert_eq!(back.counts().await, (2, 1), "{last_id}");
        } else {
            back.nothing().await;
        }
    }
    // What was seen of another site is not what was seen of this one, though the numbers are the same.
    let (zero, _) = EventSource::open(&service, "site_id=a").await.totals_with_id().await;
    assert_eq!(EventSource::resume(&service, "site_id=b", Some(&zero)).await.counts().await, (0, 0));
}

#[tokio::test]
async fn where_nothing_is_to_tell_a_comment_comes() {
    let heartbeat = |config: &mut Config| config.query_live_heartbeat_ms = milliseconds(200);
    let (service, ..) = at_noon_with(heartbeat).await;
    let mut live = EventSource::open(&service, SITE).await;
    assert_eq!(live.counts().await, (1, 1));
    let begun = Instant::now();
    for _ in 0..3 {
        assert_eq!(timeout(SOON, live.piece()).await.expect("in time"), Piece::Comment);
    }
    assert!(begun.elapsed() >= Duration::from_millis(500), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn not_too_many_watch_and_those_who_leave_make_room() {
    let places = |config: &mut Config| config.query_live_clients_max = milliseconds(2);
    let (service, ..) = at_noon_with(places).await;
    let mut first = EventSource::open(&service, SITE).await;
    let second = EventSource::open(&service, "site_id=b").await;
    for _ in 0..3 {
        let answer = EventSource::refused(&service, "site_id=c").await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, "1"), "{}", answer.body);
        assert_eq!(answer.error(), "too many clients watch totals; ask again later");
    }
    assert_eq!(service.get(&format!("/stats?{SITE}")).await.status, 200, "reports are not refused");
    assert_eq!(first.counts().await, (1, 1));
    drop(second);
    let left = Instant::now();
    while service.request("/live?site_id=c", None).await.status() != 200 {
        assert!(left.elapsed() < SOON, "its place is not free");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn requests_that_cannot_be_right_are_refused() {
    let (service, ..) = at_noon().await;
    for (query, sentence) in [
        ("", "site_id is required"),
        ("site_id=", "site_id is required"),
        ("site_id=a&site_id=b", "site_id must be given only once"),
        ("site_id=a&date=2025-11-12", "the parameter \"date\" is unknown; a report takes site_id and event_type"),
        ("site_id=%ff", "the query string must be percent-encoded UTF-8"),
    ] {
        let answer = EventSource::refused(&service, query).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, sentence), "{query}");
    }
    for query in ["site_id=a%20b", "site_id=a&event_type=%2F"] {
        let answer = EventSource::refused(&service, query).await;
        assert_eq!((answer.status, answer.error().contains(" must be 1 to 64 of ")), (400, true), "{query}");
    }
}

#[tokio::test]
async fn users_of_several_partitions_are_counted_once() {
    let (service, models, ..) = at_noon().await;
    models.add(&Batch { users: 0..60, ..BATCH }).await;
    let mut live = EventSource::open(&service, SITE).await;
    assert_eq!(live.counts().await, (2, 60));
    models.add(&Batch { partition_id: 3, users: 50..100, ..batch(1) }).await;
    assert_eq!(live.counts().await, (3, 100));
}

#[tokio::test]
async fn what_is_damaged_is_told_and_in_nobodys_way() {
    let (service, models, db, _) = at_noon().await;
    let mut live = EventSource::open(&service, SITE).await;
    assert_eq!(live.counts().await, (1, 1));
    models.add(&Batch { site_id: "damaged", ..BATCH }).await;
    sqlx::query("update view_daily set views = -1 where site_id = 'damaged'").execute(&db).await.expect("damaged");
    let answer = EventSource::refused(&service, "site_id=damaged").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
    assert_eq!(answer.error(), "what is stored about the site is damaged and has to be rebuilt by an operator");
    models.add(&batch(1)).await;
    assert_eq!(live.counts().await, (2, 1));
}

#[tokio::test]
async fn the_day_changes_at_midnight() {
    let (service, models, _, clock) = at_noon().await;
    let mut live = EventSource::open(&service, SITE).await;
    assert_eq!(live.counts().await, (1, 1));
    clock.set("2025-11-12T23:59:59.999Z").await;
    models.add(&batch(1)).await;
    assert_eq!(live.counts().await, (2, 1));
    clock.set("2025-11-13T00:00:00Z").await;
    let (id, data) = live.totals_within(SILENCE + SOON).await;
    assert_eq!((counts(&data), &data["date"]), ((0, 0), &json!("2025-11-13")));
    models.add(&Batch { day: "2025-11-13", users: 0..4, ..batch(2) }).await;
    assert_eq!(live.counts().await, (1, 4));
    // What was zero on another day is not what is zero today.
    drop(live);
    clock.set("2025-11-14T00:00:00Z").await;
    assert_eq!(EventSource::resume(&service, SITE, Some(&id)).await.counts().await.1, 0);
}

#[tokio::test]
async fn a_switch_of_generations_is_noticed() {
    let (service, models, db, _) = at_noon().await;
    let mut live = EventSource::open(&service, SITE).await;
    assert_eq!(live.counts().await, (1, 1));
    let next = Models::create(&db, "building").await;
    next.add(&Batch { paths: &[("/next", 40)], users: 0..30, ..batch(12) }).await;
    live.nothing().await;
    for (generation, expected) in [(&next, (40, 30)), (&models, (1, 1))] {
        generation.activate().await;
        let (_, data) = live.totals_with_id().await;
        assert_eq!((counts(&data), &data["generation"]), (expected, &json!(generation.generation_id)));
    }
    next.add(&batch(13)).await;
    live.nothing().await;
    next.activate().await;
    assert_eq!(live.counts().await, (41, 30));
    next.add(&batch(14)).await;
    assert_eq!(live.counts().await, (42, 30));
}

#[tokio::test]
async fn without_an_active_generation_there_is_nothing_to_watch() {
    let database = Database::empty().await;
    let db = database.migrate().await;
    Clock::at_noon(&db).await;
    let service = Service::start(database.service_url()).await;
    let models = Models::create(&db, "building").await;
    models.add(&BATCH).await;
    let answer = EventSource::refused(&service, SITE).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
    assert_eq!(answer.error(), "there are no read models yet; ask again when the projector has made them");
    models.activate().await;
    assert_eq!(EventSource::open(&service, SITE).await.counts().await, (1, 1));
}

#[tokio::test]
async fn a_shutdown_ends_all_streams() {
    let (mut service, ..) = at_noon().await;
    let mut clients = [EventSource::open(&service, SITE).await, EventSource::open(&service, "site_id=b").await];
    for client in &mut clients {
        client.totals_with_id().await;
    }
    let asked = Instant::now();
    service.shutdown.cancel();
    for client in &mut clients {
        assert_eq!(client.piece().await, Piece::End);
    }
    (&mut service.running).await.expect("no panic").expect("no error");
    assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
}
