use std::time::{Duration, Instant};

use sqlx::PgPool;

use crate::models::{BATCH, Models};
use crate::network::Network;
use crate::server::Server;
use crate::service::{Answer, Service, with_models};

const TIMEOUT_MS: u32 = 1_000;

/// Time beyond the timeout: a busy machine schedules late, but what is not given up waits for as long as its client.
const SLACK: Duration = Duration::from_secs(15);

/// Maximum wait for what must come.
const PATIENCE: Duration = Duration::from_mins(1);

const REPORT: &str = "/stats?site_id=site-abc-123&date=2025-11-12";

async fn server_with_models() -> (Server, PgPool) {
    let server = Server::start().await;
    let db = server.migrated("tidemark").await;
    Models::create(&db, "active").await.add(&BATCH).await;
    (server, db)
}

/// Waits until all of so many reports at a time are answered.
async fn answered(service: &Service, reports: usize) -> Answer {
    let begun = Instant::now();
    loop {
        let answers = (0..reports).map(|_| service.get(REPORT));
        let answers = futures_util::future::join_all(answers).await;
        if answers.iter().all(|answer| answer.status == 200) {
            return answers.into_iter().next().expect("a report");
        }
        assert!(begun.elapsed() < PATIENCE, "{answers:?}");
    }
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
    answered(&service, 1).await;
    server.postgres.kill().await;
    for _ in 0..2 {
        let error = unavailable(&service, REPORT).await.error();
        assert_eq!(error, "reports cannot be read at the moment; ask again later");
    }
    service.tells_of_readiness((503, "the database does not answer")).await;
    assert_eq!(service.get("/healthz").await.status, 200);
    server.postgres.restart().await.expect("Postgres starts again");
    assert_eq!(answered(&service, 1).await.json()["total_views"], 1);
    service.tells_of_readiness((200, "ready\n")).await;
}

#[tokio::test]
async fn a_hanging_postgres_is_given_up_on_and_found_again() {
    let (server, _db) = server_with_models().await;
    let service = Service::start_within(server.service_url("tidemark"), TIMEOUT_MS).await;
    answered(&service, 1).await;
    server.postgres.freeze().expect("frozen");
    // One may still have a connection. There are more of them than there may be connections.
    let answers = [(); 6].map(|()| unavailable(&service, REPORT));
    let answers = futures_util::future::join_all(answers).await;
    let slow = "the report took too long; ask again later, or for fewer days";
    let (slow, others): (Vec<_>, Vec<_>) = answers.iter().map(Answer::error).partition(|error| error == slow);
    assert!(slow.len() <= 1, "{slow:?}");
    assert!(others.iter().all(|error| error == "reports cannot be read at the moment; ask again later"), "{others:?}");
    service.tells_of_readiness((503, "the database does not answer")).await;
    server.postgres.thaw();
    answered(&service, 1).await;
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
    answered(&service, 1).await;
}

#[tokio::test]
async fn a_report_that_waits_too_long_is_given_up() {
    let (_, models, db, database) = with_models().await;
    models.add(&BATCH).await;
    let service = Service::start_within(database.service_url(), TIMEOUT_MS).await;
    answered(&service, 1).await;
    let mut lock = db.begin().await.expect("a transaction");
    sqlx::query("lock table view_daily in access exclusive mode").execute(&mut *lock).await.expect("locked");
    // A report on a busy machine may not even get a connection in time.
    let begun = Instant::now();
    while unavailable(&service, REPORT).await.error() != "the report took too long; ask again later, or for fewer days"
    {
        assert!(begun.elapsed() < PATIENCE, "no report reaches the lock");
    }
    // Postgres ends the statements, too, though the lock is still held.
    let waiting =
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
    let given_up = Instant::now();
    while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&db).await.expect("a number") > 0 {
        assert!(given_up.elapsed() < SLACK, "a statement goes on whose request has ended");
    }
    assert_eq!(service.get("/stats?site_id=site-abc-123").await.status, 200, "other reports go on");
    lock.rollback().await.expect("unlocked");
    answered(&service, 1).await;
}

#[tokio::test]
async fn connections_that_went_silent_are_given_up() {
    let (_, models, _, database) = with_models().await;
    models.add(&BATCH).await;
    let (network, url) = Network::before(&database.service_url()).await;
    let service = Service::start(url).await;
    let reports = || futures_util::future::join_all([(); 8].map(|()| service.get(REPORT)));
    answered(&service, 8).await;
    // Nothing tells the service: what it sends is lost, and nothing comes back. New connections work.
    network.lose_connections();
    for answer in reports().await {
        assert!(matches!(answer.status, 200 | 503), "{}", answer.body);
    }
    answered(&service, 8).await;
}

#[tokio::test]
async fn clients_that_leave_take_no_connection_with_them() {
    let (_, models, _, database) = with_models().await;
    models.add(&BATCH).await;
    let (network, url) = Network::before(&database.service_url()).await;
    let service = Service::start(url).await;
    let reports = || futures_util::future::join_all([(); 8].map(|()| service.get(REPORT)));
    answered(&service, 8).await;
    network.lose_connections();
    let impatience = Duration::from_millis(u64::from(TIMEOUT_MS) / 4);
    assert!(tokio::time::timeout(impatience, reports()).await.is_err(), "their clients leave before they are answered");
    // A client that has closed its connection may only have closed its sending side: it is answered for a second.
    answered(&service, 8).await;
}

#[tokio::test]
async fn a_restart_that_nobody_noticed_fails_no_report() {
    let (mut server, db) = server_with_models().await;
    db.close().await;
    let service = Service::start(server.service_url("tidemark")).await;
    assert_eq!(service.get(REPORT).await.status, 200);
    server.postgres.stop().await;
    server.postgres.restart().await.expect("Postgres starts again");
    // Connections that were used within the last second are trusted.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let answer = service.get(REPORT).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}
