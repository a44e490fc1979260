//! Fairness: one client leaves the shared limits to others.

use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::{Duration, Instant};

use query::Config;
use reqwest::Method;
use service::access::Proxies;
use sqlx::PgPool;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::keys::KeysFile;
use crate::models::{BATCH, Batch, Models};
use crate::server::{Database, Server};
use crate::service::{Answer, Service, config, milliseconds};

/// Far more than one client may have of anything here.
const MANY: usize = 300;

/// The timeout of answers that come soon, on a busy machine.
const SOON: Duration = Duration::from_secs(3);

/// A report that waits for the table that is locked, and one that does not.
const BLOCKED: &str = "/stats?site_id=site-abc-123";
const FREE: &str = "/stats?site_id=site-abc-123&date=2025-11-12";

const WAITING: &str = "/stats?site_id=site-abc-123&date=2025-11-12&after=2-10-0";

/// The identity of a client.
#[derive(Clone, Copy)]
enum By<'a> {
    Address(&'a str),
    Key(&'a str),
}

async fn get(service: &Service, client: By<'_>, path: &str) -> Answer {
    let bearer;
    let header = match client {
        By::Address(address) => ("x-forwarded-for", address),
        By::Key(key) => {
            bearer = format!("Bearer {key}");
            ("authorization", bearer.as_str())
        }
    };
    service.send(Method::GET, path, &[header]).await
}

/// A service with partition 2 at 9, which believes this machine what it forwards.
async fn service_with(set: impl FnOnce(&mut Config)) -> (Arc<Service>, Models, PgPool) {
    let database = Database::empty().await;
    let db = database.migrate().await;
    let models = Models::create(&db, "active").await;
    models.add(&Batch { sequence: Some(9), ..BATCH }).await;
    let mut config = config(database.service_url());
    config.query_client_share_percent = NonZeroU8::new(25).expect("not 0");
    config.trusted_proxies = Proxies::try_from("127.0.0.1".to_owned()).expect("an address");
    set(&mut config);
    let service = Service::start_on(&database, config).await;
    assert_eq!(service.get("/readyz").await.status, 200);
    (Arc::new(service), models, db)
}

/// Sends many requests of one client, which go on until this is dropped.
fn flood(service: &Arc<Service>, client: By<'_>, path: &'static str, requests: usize) -> JoinSet<Answer> {
    let (is_key, name) = match client {
        By::Address(address) => (false, address.to_owned()),
        By::Key(key) => (true, key.to_owned()),
    };
    let mut flood = JoinSet::new();
    for _ in 0..requests {
        let (service, name) = (service.clone(), name.clone());
        flood.spawn(async move { get(&service, if is_key { By::Key(&name) } else { By::Address(&name) }, path).await });
    }
    flood
}

/// The value of a gauge, or of a counter.
async fn metric(service: &Service, client: By<'_>, name: &str) -> u64 {
    let metrics = get(service, client, "/metrics").await.body;
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().expect("a whole number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_leaves_places_to_wait_for_an_event() {
    let (service, models, _db) = service_with(|config| config.query_after_timeout_ms = Some(milliseconds(4_500))).await;
    let mut flood = flood(&service, By::Address("203.0.113.1"), WAITING, MANY);
    // Some of these are refused, and then it is as full as it gets.
    let refused = timeout(SOON, flood.join_next()).await.expect("in time").expect("one").expect("no panic");
    assert_eq!(refused.status, 503, "{}", refused.body);
    let honest = get(&service, By::Address("203.0.113.2"), WAITING);
    let commit = async {
        sleep(Duration::from_millis(300)).await;
        models.reach(2, 10).await;
    };
    let (answer, ()) = tokio::join!(honest, commit);
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_leaves_places_to_watch() {
    let (service, ..) = service_with(|config| config.query_live_clients_max = milliseconds(8)).await;
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(watch(&service, "203.0.113.1").await);
    }
    assert!(open.iter().any(|live| live.status() == 503), "one address has all that it wants");
    for address in ["203.0.113.2", "2001:db8:1::1", "203.0.113.3"] {
        open.push(watch(&service, address).await);
        assert_eq!(open.last().expect("one").status(), 200, "{address}");
    }
    // Of one customer's network all are one client.
    open.push(watch(&service, "2001:db8:1::2").await);
    open.push(watch(&service, "2001:db8:1::3").await);
    let refused = Answer::of(open.pop().expect("one")).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"), "{}", refused.body);
    assert_eq!(refused.json()["code"], "too_many_clients");
    drop(open);
    timeout(SOON, async { while watch(&service, "203.0.113.1").await.status() != 200 {} })
        .await
        .expect("a place again");
}

async fn watch(service: &Service, address: &str) -> reqwest::Response {
    service.request_as("/live?site_id=site-abc-123", &[("x-forwarded-for", address)]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_reports_of_one_address_leave_connections_to_others() {
    let (service, _models, db) = service_with(|config| config.query_timeout_ms = milliseconds(20_000)).await;
    let mut tx = db.begin().await.expect("a transaction");
    sqlx::query("lock table view_total in access exclusive mode").execute(&mut *tx).await.expect("locked");
    let mut flood = flood(&service, By::Address("203.0.113.1"), BLOCKED, MANY);
    // Those beyond its part of the reports in progress are refused; the others wait.
    let refused = timeout(SOON, flood.join_next()).await.expect("in time").expect("one").expect("no panic");
    assert_eq!((refused.status, &refused.json()["code"]), (503, &"too_many_reports".into()), "{}", refused.body);
    for _ in 0..5 {
        let asked = Instant::now();
        let answer = get(&service, By::Address("203.0.113.2"), FREE).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
        let asked = Instant::now();
        assert_eq!(service.get("/readyz").await.status, 200);
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    }
    tx.rollback().await.expect("given up");
    while let Some(answer) = timeout(SOON * 3, flood.join_next()).await.expect("in time") {
        let answer = answer.expect("no panic");
        assert!([200, 503].contains(&answer.status), "{}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_have_places_of_their_own_at_one_address() {
    let keys = KeysFile::new();
    let (greedy, modest) = (keys.add(&["--all-sites"]).await, keys.add(&["--all-sites"]).await);
    let path = keys.path.clone();
    let (service, _models, db) = service_with(|config| {
        config.query_keys_file = Some(path);
        config.query_timeout_ms = milliseconds(20_000);
    })
    .await;
    let mut tx = db.begin().await.expect("a transaction");
    sqlx::query("lock table view_total in access exclusive mode").execute(&mut *tx).await.expect("locked");
    let mut flood = flood(&service, By::Key(&greedy), BLOCKED, MANY);
    let refused = timeout(SOON, flood.join_next()).await.expect("in time").expect("one").expect("no panic");
    assert_eq!(refused.status, 503, "{}", refused.body);
    let asked = Instant::now();
    assert_eq!(get(&service, By::Key(&modest), FREE).await.status, 200);
    assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
    assert!(metric(&service, By::Key(&modest), "query_reports").await > 0);
    tx.rollback().await.expect("given up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whether_it_is_ready_costs_the_database_nothing() {
    const REQUESTS: usize = 2_000;
    let (service, _models, db) = service_with(|_| {}).await;
    let before = statements(&db).await;
    for _ in 0..REQUESTS / 50 {
        let answers = futures_util::future::join_all([(); 50].map(|()| service.get("/readyz"))).await;
        // One address may ask a thousand times a second.
        assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 429)));
    }
    // Postgres tells what a connection did about once a second.
    sleep(Duration::from_secs(2)).await;
    let looks = statements(&db).await - before;
    assert!(looks < 200, "{looks} looks for {REQUESTS} requests");
}

/// Counts the polls of the generations.
async fn statements(db: &PgPool) -> i64 {
    let scans = "select seq_scan + idx_scan from pg_stat_user_tables where relname = 'generation'";
    sqlx::query_scalar(scans).fetch_one(db).await.expect("a number")
}

#[tokio::test]
async fn a_database_that_hangs_shows_within_seconds() {
    let server = Server::start().await;
    let db = server.migrated("tidemark").await;
    Models::create(&db, "active").await.add(&BATCH).await;
    // However long a report may take.
    let service = Service::start_within(server.service_url("tidemark"), 60_000).await;
    assert_eq!(service.get("/readyz").await.status, 200);
    server.postgres.freeze().expect("frozen");
    let shown = async {
        loop {
            let asked = Instant::now();
            let answer = service.get("/readyz").await;
            assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
            if answer.status == 503 {
                return answer.error();
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    let error = timeout(Duration::from_secs(6), shown).await.expect("within seconds");
    assert_eq!(error, "the database does not answer");
    server.postgres.thaw();
    let ready = async { while service.get("/readyz").await.status != 200 {} };
    timeout(Duration::from_secs(10), ready).await.expect("ready again");
}
