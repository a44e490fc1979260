use std::time::{Duration, Instant};

use sqlx::PgPool;

use crate::models::{BATCH, Models};
use crate::network::Network;
use crate::server::Server;
use crate::service::{Answer, Service, with_models};

const TIMEOUT_MS: u32 = 1_000;

/// Beyond the timeout: a busy machine that schedules late.
const SLACK: Duration = Duration::from_millis(1_500);

const REPORT: &str = "/stats?site_id=site-abc-123&date=2025-11-12";

async fn server_with_models() -> (Server, PgPool) {
    let server = Server::start().await;
    let db = server.migrated("tidemark").await;
    Models::create(&db, "active").await.add(&BATCH).await;
    (server, db)
}

/// Expects "not now" within the timeout.
async fn unavailable(service: &Service, path: &str) -> Answer {
    let asked = Instant::now();
    let answer = service.get(path).await;
    assert!(asked.elapsed() < Duration::from_millis(TIMEOUT_MS.into()) + SLACK, "{:?}", asked.elapsed());
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"), "{}", answer.body);
    answer
}

#[tokio::test]
async fn a_killed_postgres_is_waited_for_and_found_again() {
    let (mut server, db) = server_with_models().await;
    db.close().await;
    let service = Service::start_within(server.service_url("tidemark"), TIMEOUT_MS).await;
    assert_eq!(service.get(REPORT).await.status, 200);
    server.postgres.kill().await;
    for _ in 0..2 {
        let error = unavailable(&service, REPORT).await.error();
        assert_eq!(error, "reports cannot be read at the moment; ask again later");
    }
    service.tells_of_readiness((503, "the database does not answer")).await;
    assert_eq!(service.get("/healthz").await.status, 200);
    server.postgres.restart().await.expect("Postgres starts again");
    let answer = service.get(REPORT).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json()["total_views"], 1);
    service.tells_of_readiness((200, "ready\n")).await;
}

#[tokio::test]
async fn a_hanging_postgres_is_given_up_on_and_found_again() {
    let (server, _db) = server_with_models().await;
    let service = Service::start_within(server.service_url("tidemark"), TIMEOUT_MS).await;
    assert_eq!(service.get(REPORT).await.status, 200);
    server.postgres.freeze().expect("frozen");
    // The first has a connection. There are more of them than there may be connections.
    let answers = [(); 6].map(|()| unavailable(&service, REPORT));
    let answers = futures_util::future::join_all(answers).await;
    let errors: Vec<_> = answers.iter().map(Answer::error).collect();
    assert_eq!(errors[0], "the report took too long; ask again later, or for fewer days");
    assert_eq!(errors[1..], ["reports cannot be read at the moment; ask again later"; 5]);
    service.tells_of_readiness((503, "the database does not answer")).await;
    server.postgres.thaw();
    let answer = service.get(REPORT).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn the_service_starts_before_postgres() {
    let (mut server, db) = server_with_models().await;
    db.close().await;
    server.postgres.kill().await;
    let service = Service::start_within(server.service_url("tidemark"), TIMEOUT_MS).await;
    assert_eq!(service.get("/healthz").await.status, 200);
    service.tells_of_readiness((503, "the database does not answer")).await;
    unavailable(&service, REPORT).await;
    server.postgres.restart().await.expect("Postgres starts again");
    service.tells_of_readiness((200, "ready\n")).await;
    assert_eq!(service.get(REPORT).await.status, 200);
}

#[tokio::test]
async fn a_report_that_waits_too_long_is_given_up() {
    let (_, models, db, database) = with_models().await;
    models.add(&BATCH).await;
    let service = Service::start_within(database.service_url(), TIMEOUT_MS).await;
    let mut lock = db.begin().await.expect("a transaction");
    sqlx::query("lock table view_daily in access exclusive mode").execute(&mut *lock).await.expect("locked");
    let error = unavailable(&service, REPORT).await.error();
    assert_eq!(error, "the report took too long; ask again later, or for fewer days");
    // Postgres ends the statements, too, though the lock is still held.
    let waiting =
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
    let given_up = Instant::now();
    while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&db).await.expect("a number") > 0 {
        assert!(given_up.elapsed() < SLACK, "a statement goes on whose request has ended");
    }
    assert_eq!(service.get("/stats?site_id=site-abc-123").await.status, 200, "other reports go on");
    lock.rollback().await.expect("unlocked");
    assert_eq!(service.get(REPORT).await.status, 200);
}

#[tokio::test]
async fn connections_that_went_silent_are_given_up() {
    let (_, models, _, database) = with_models().await;
    models.add(&BATCH).await;
    let (network, url) = Network::before(&database.service_url()).await;
    let service = Service::start_within(url, TIMEOUT_MS).await;
    let reports = || futures_util::future::join_all([(); 8].map(|()| service.get(REPORT)));
    assert!(reports().await.iter().all(|answer| answer.status == 200));
    // Nothing tells the service: what it sends is lost, and nothing comes back. New connections work.
    network.lose_connections();
    for answer in reports().await {
        assert!(matches!(answer.status, 200 | 503), "{}", answer.body);
    }
    assert!(reports().await.iter().all(|answer| answer.status == 200));
}

#[tokio::test]
async fn clients_that_leave_take_no_connection_with_them() {
    let (_, models, _, database) = with_models().await;
    models.add(&BATCH).await;
    let (network, url) = Network::before(&database.service_url()).await;
    let service = Service::start_within(url, TIMEOUT_MS).await;
    let reports = || futures_util::future::join_all([(); 8].map(|()| service.get(REPORT)));
    assert!(reports().await.iter().all(|answer| answer.status == 200));
    network.lose_connections();
    let impatience = Duration::from_millis(u64::from(TIMEOUT_MS) / 4);
    assert!(tokio::time::timeout(impatience, reports()).await.is_err(), "their clients leave before they are answered");
    // A client that has closed its connection may only have closed its sending side: it is answered for a second.
    let left = Instant::now();
    while !reports().await.iter().all(|answer| answer.status == 200) {
        assert!(left.elapsed() < SLACK * 10, "clients that left still have connections");
    }
}

#[tokio::test]
async fn a_restart_that_nobody_noticed_fails_no_report() {
    let (mut server, db) = server_with_models().await;
    db.close().await;
    let service = Service::start_within(server.service_url("tidemark"), TIMEOUT_MS).await;
    assert_eq!(service.get(REPORT).await.status, 200);
    server.postgres.stop().await;
    server.postgres.restart().await.expect("Postgres starts again");
    // Connections that were used within the last second are trusted.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let answer = service.get(REPORT).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}
