use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::time::sleep;

use crate::clock::Clock;
use crate::event_source::{EventSource, SOON};
use crate::models::{BATCH, Batch, Models};
use crate::network::Network;
use crate::server::Server;
use crate::service::{Service, config, milliseconds, with_models};

const SITE: &str = "site_id=site-abc-123";

const TIMEOUT_MS: u32 = 1_000;

/// The interval of reads without a notification.
const SILENCE: Duration = Duration::from_secs(5);

/// A connection that is silent is asked after five seconds, given up after one, and made anew after another one.
const RECOVERY: Duration = Duration::from_secs(7);

/// Connections that listen.
async fn listening(db: &PgPool) -> i64 {
    let listening = "select count(*) from pg_stat_activity
        where datname = current_database() and application_name = 'tidemark-query-live'";
    sqlx::query_scalar(listening).fetch_one(db).await.expect("a number")
}

async fn nobody_listens(db: &PgPool) {
    let begun = Instant::now();
    while listening(db).await > 0 {
        assert!(begun.elapsed() < SOON, "a connection listens");
        sleep(Duration::from_millis(10)).await;
    }
}

fn batch(sequence: i64) -> Batch<'static> {
    Batch { sequence: Some(sequence), ..BATCH }
}

#[tokio::test]
async fn one_connection_listens_while_anybody_watches() {
    let (service, models, db, _) = with_models().await;
    Clock::at_noon(&db).await;
    models.add(&BATCH).await;
    assert_eq!(service.get("/readyz").await.status, 200);
    assert_eq!(listening(&db).await, 0);
    for _ in 0..2 {
        let mut clients = vec![];
        for site in ["site_id=a", "site_id=b", SITE, SITE] {
            let mut client = EventSource::open(&service, site).await;
            client.totals_with_id().await;
            clients.push(client);
        }
        assert_eq!(listening(&db).await, 1);
        clients.remove(0);
        assert_eq!(listening(&db).await, 1);
        drop(clients);
        nobody_listens(&db).await;
    }
}

#[tokio::test]
async fn many_commits_cost_few_reads() {
    const COMMITS: i64 = 200;
    let (service, models, db, _) = with_models().await;
    Clock::at_noon(&db).await;
    let mut live = EventSource::open(&service, SITE).await;
    assert_eq!(live.counts().await, (0, 0));
    let scans = async || {
        let scans = "select seq_scan + idx_scan from pg_stat_user_tables where relname = 'generation'";
        sqlx::query_scalar::<_, i64>(scans).fetch_one(&db).await.expect("a number")
    };
    let begun = Instant::now();
    for sequence in 1..=COMMITS {
        models.add(&batch(sequence)).await;
    }
    while live.counts().await.0 != u64::try_from(COMMITS).expect("positive") {}
    let reads_max = i64::try_from(begun.elapsed().as_millis() / 100 + 3).expect("a few");
    // Postgres counts when a connection ends.
    drop(live);
    nobody_listens(&db).await;
    let scans = scans().await;
    // So do foreign keys of the checkpoint, and what made the generation, of which Postgres may not have told before.
    assert!(scans <= reads_max + 12, "{scans} looks at the active generation, {reads_max} reads");
}

#[tokio::test]
async fn what_was_not_told_is_read_later() {
    let (service, models, db, _) = with_models().await;
    Clock::at_noon(&db).await;
    let mut live = EventSource::open(&service, SITE).await;
    assert_eq!(live.counts().await, (0, 0));
    models.add(&BATCH).await;
    assert_eq!(live.totals_within(SILENCE + SOON).await.1["total_views"], 1);
}

#[tokio::test]
async fn a_connection_that_is_ended_is_made_anew() {
    let (service, models, db, _) = with_models().await;
    Clock::at_noon(&db).await;
    let mut live = EventSource::open(&service, SITE).await;
    assert_eq!(live.counts().await, (0, 0));
    for sequence in 1..=3_u32 {
        let end = "select pg_terminate_backend(pid) from pg_stat_activity
            where datname = current_database() and application_name = 'tidemark-query-live'";
        sqlx::query(end).execute(&db).await.expect("ended");
        models.add(&batch(sequence.into())).await;
        assert_eq!(live.counts().await, (sequence.into(), 1));
    }
}

#[tokio::test]
async fn connections_that_are_lost_without_a_word_are_made_anew() {
    let (_, models, db, database) = with_models().await;
    Clock::at_noon(&db).await;
    let (network, url) = Network::before(&database.service_url()).await;
    let service = Service::start_within(url, TIMEOUT_MS).await;
    let mut live = EventSource::open(&service, SITE).await;
    assert_eq!(live.counts().await, (0, 0));
    network.lose_connections();
    models.add(&batch(1)).await;
    let (_, data) = live.totals_within(RECOVERY + SOON).await;
    assert_eq!(data["total_views"], 1);
    models.add(&batch(2)).await;
    assert_eq!(live.counts().await, (2, 1));
}

#[tokio::test]
async fn a_restarted_postgres_is_found_again() {
    let mut server = Server::start().await;
    let db = server.migrated("tidemark").await;
    Clock::at_noon(&db).await;
    let models = Models::create(&db, "active").await;
    let service = Service::start_within(server.service_url("tidemark"), TIMEOUT_MS).await;
    let mut live = EventSource::open(&service, SITE).await;
    assert_eq!(live.counts().await, (0, 0));
    server.postgres.kill().await;
    server.postgres.restart().await.expect("Postgres starts again");
    let db = PgPool::connect(&server.postgres.owner_url("tidemark")).await.expect("Postgres answers");
    let models = models.reached_through(db);
    models.add(&batch(1)).await;
    assert_eq!(live.totals_within(RECOVERY + SOON).await.1["total_views"], 1);
    models.add(&batch(2)).await;
    assert_eq!(live.counts().await, (2, 1));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_dropped() {
    /// Half a minute until it is given up, and what it takes until it has no room any more.
    const GIVEN_UP: Duration = Duration::from_secs(50);
    let (_, _, db, database) = with_models().await;
    Clock::at_noon(&db).await;
    let mut config = config(database.service_url());
    (config.query_live_clients_max, config.query_live_heartbeat_ms) = (milliseconds(1), milliseconds(1));
    let service = Service::start_on(&database, config).await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(1_024).expect("a small buffer");
    let mut silent = socket.connect(service.address()).await.expect("connected");
    silent.write_all(b"GET /live?site_id=a HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("sent");
    let mut status = [0; 12];
    silent.read_exact(&mut status).await.expect("an answer");
    assert_eq!(&status, b"HTTP/1.1 200");
    // From here on it takes nothing.
    let begun = Instant::now();
    let is_full = async || service.request("/live?site_id=b", None).await.status() == 503;
    while is_full().await {
        assert!(begun.elapsed() < GIVEN_UP, "it is kept");
        sleep(Duration::from_millis(100)).await;
    }
    assert!(begun.elapsed() > Duration::from_secs(10), "it was given some time: {:?}", begun.elapsed());
}

#[tokio::test]
async fn without_postgres_a_client_is_told_so_in_time() {
    let mut server = Server::start().await;
    let db = server.migrated("tidemark").await;
    Clock::at_noon(&db).await;
    let models = Models::create(&db, "active").await;
    models.add(&BATCH).await;
    db.close().await;
    let service = Service::start_within(server.service_url("tidemark"), TIMEOUT_MS).await;
    server.postgres.kill().await;
    let asked = Instant::now();
    let answer = EventSource::refused(&service, SITE).await;
    assert!(asked.elapsed() < Duration::from_millis(TIMEOUT_MS.into()) + SOON, "{:?}", asked.elapsed());
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
    assert_eq!(answer.error(), "totals cannot be read at the moment; ask again later");
    server.postgres.restart().await.expect("Postgres starts again");
    let restarted = Instant::now();
    while service.request(&format!("/live?{SITE}"), None).await.status() != 200 {
        assert!(restarted.elapsed() < RECOVERY, "Postgres is not found again");
    }
}
