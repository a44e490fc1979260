use std::time::Duration;

use query::Config;
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgPool};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::event_source::EventSource;
use crate::models::{BATCH, Batch, Models};
use crate::server::Server;
use crate::service::{Answer, Service, config, milliseconds};

const DATABASE: &str = "tidemark";

const REPORT: &str = "/stats?site_id=site-abc-123";

/// Two processes of Postgres have to agree, on a busy machine.
const SOON: Duration = Duration::from_secs(20);

/// Shorter than the time for a report.
const AFTER_TIMEOUT_MS: u32 = 3_000;

/// A primary, a standby that follows it, and a service that reads reports from the standby.
struct Replicated {
    service: Service,
    models: Models,
    primary_db: PgPool,
    standby_db: PgPool,
    primary: Server,
    _standby: Server,
}

/// Answers when the standby has one batch, at sequence 1 of partition 2.
async fn replicated() -> Replicated {
    let primary = Server::start().await;
    let primary_db = primary.migrated(DATABASE).await;
    Clock::at_noon(&primary_db).await;
    let models = Models::create(&primary_db, "active").await;
    let standby = primary.standby().await;
    let standby_db = PgPool::connect(&standby.postgres.owner_url(DATABASE)).await.expect("the standby answers");
    let config = Config {
        read_database_url: Some(standby.service_url(DATABASE).into()),
        query_after_timeout_ms: Some(milliseconds(AFTER_TIMEOUT_MS)),
        ..config(primary.service_url(DATABASE))
    };
    let service = Service::start_with(config).await;
    let replicated = Replicated { service, models, primary_db, standby_db, primary, _standby: standby };
    replicated.add(1).await;
    assert_eq!(replicated.after(1).await.json()["total_views"], 1);
    replicated
}

impl Replicated {
    async fn add(&self, sequence: i64) {
        self.models.add(&Batch { sequence: Some(sequence), ..BATCH }).await;
    }

    /// A report that contains an event.
    async fn after(&self, sequence: i64) -> Answer {
        self.service.get(&format!("{REPORT}&after=2-{sequence}-0")).await
    }

    async fn views(&self) -> Value {
        self.service.get(REPORT).await.json()["total_views"].clone()
    }

    /// Lets the standby fall behind.
    async fn pause(&self) {
        execute(&self.standby_db, "select pg_wal_replay_pause()").await;
        until(&self.standby_db, "select pg_get_wal_replay_pause_state() = 'paused'").await;
    }

    async fn resume(&self) {
        execute(&self.standby_db, "select pg_wal_replay_resume()").await;
    }

    /// Sends the standby what a transaction that goes on has done: the end of any other one takes it along.
    async fn push(&self) {
        execute(&self.primary_db, "select pg_logical_emit_message(true, 'test', '')").await;
    }
}

async fn execute(db: &PgPool, statement: &'static str) {
    sqlx::query(statement).execute(db).await.expect("done");
}

/// Waits until a question is answered with yes.
async fn until(db: &PgPool, question: &'static str) {
    let begun = Instant::now();
    while !sqlx::query_scalar::<_, bool>(question).fetch_one(db).await.expect("an answer") {
        assert!(begun.elapsed() < SOON, "{question}");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_report_says_what_the_standby_has_and_waits_for_what_it_has_not() {
    let replicated = replicated().await;
    replicated.pause().await;
    replicated.add(2).await;
    assert_eq!(replicated.views().await, 1);
    let late = replicated.after(2).await;
    assert_eq!((late.status, late.header("retry-after")), (503, "1"), "{}", late.body);
    assert_eq!(late.json()["code"], "not_contained_yet");
    let resume = async {
        sleep(Duration::from_millis(300)).await;
        replicated.resume().await;
    };
    let (answer, ()) = tokio::join!(replicated.after(2), resume);
    assert_eq!((answer.status, &answer.json()["total_views"]), (200, &2.into()), "{}", answer.body);
}

#[tokio::test]
async fn lists_and_pages_come_from_the_standby_too() {
    let replicated = replicated().await;
    replicated.pause().await;
    replicated.add(2).await;
    let paths = replicated.service.get("/paths?site_id=site-abc-123").await.json();
    assert_eq!(paths["paths"][0]["views"], 1, "{paths}");
    assert_eq!(replicated.service.get("/?site=site-abc-123").await.status, 200);
    assert_eq!(replicated.service.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn totals_are_pushed_by_the_primary() {
    let replicated = replicated().await;
    replicated.pause().await;
    let mut live = EventSource::open(&replicated.service, "site_id=site-abc-123").await;
    assert_eq!(live.counts().await, (1, 1));
    replicated.add(2).await;
    assert_eq!(live.counts().await, (2, 1));
    assert_eq!(replicated.views().await, 1, "reports follow later");
}

#[tokio::test]
async fn reports_go_on_without_the_primary() {
    let mut replicated = replicated().await;
    replicated.primary.postgres.kill().await;
    assert_eq!(replicated.views().await, 1);
    assert_eq!(replicated.service.get("/readyz").await.status, 200);
    let live = EventSource::refused(&replicated.service, "site_id=site-abc-123").await;
    assert_eq!((live.status, live.header("retry-after")), (503, "1"), "{}", live.body);
}

/// Conflicts that cancel a report on a standby: recovery repeats what the primary has done, here to lock a table that the
/// report reads.
struct Conflict<'a> {
    replicated: &'a Replicated,
    /// Keeps reports that lock all tables of a day from getting further than to their last table.
    block: sqlx::PgTransaction<'static>,
}

impl<'a> Conflict<'a> {
    /// Prepares it: from now on, such a report begins and does not come to its end.
    async fn prepare(replicated: &'a Replicated) -> Self {
        // Recovery does not wait for reports.
        execute(&replicated.standby_db, "alter system set max_standby_streaming_delay = 0").await;
        execute(&replicated.standby_db, "select pg_reload_conf()").await;
        let block = locked(replicated, "referrer_daily").await;
        until(
            &replicated.standby_db,
            "select exists(select from pg_locks
                where mode = 'AccessExclusiveLock' and relation = 'referrer_daily'::regclass)",
        )
        .await;
        Self { replicated, block }
    }

    /// Waits until a report has begun, and ends it. What ended it stands in the way until it is dropped.
    async fn end_report(&self, number: i64) -> sqlx::PgTransaction<'static> {
        until(
            &self.replicated.standby_db,
            "select exists(select from pg_stat_activity
                where application_name = 'tidemark-query' and wait_event_type = 'Lock')",
        )
        .await;
        let ending = locked(self.replicated, "view_daily").await;
        let begun = Instant::now();
        let ended = async || {
            let ended = "select confl_lock from pg_stat_database_conflicts where datname = current_database()";
            sqlx::query_scalar::<_, i64>(ended).fetch_one(&self.replicated.standby_db).await.expect("a number")
        };
        while ended().await < number {
            assert!(begun.elapsed() < SOON, "no report was ended");
            sleep(Duration::from_millis(10)).await;
        }
        ending
    }
}

/// Locks a table on the primary, and so on the standby.
async fn locked(replicated: &Replicated, table: &str) -> sqlx::PgTransaction<'static> {
    let mut tx = replicated.primary_db.begin().await.expect("a transaction");
    let lock = AssertSqlSafe(format!("lock table {table} in access exclusive mode"));
    sqlx::query(lock).execute(&mut *tx).await.expect("locked");
    replicated.push().await;
    tx
}

async fn unlock(replicated: &Replicated, tx: sqlx::PgTransaction<'static>) {
    tx.rollback().await.expect("unlocked");
    replicated.push().await;
}

/// A report of several statements, which locks its tables first.
const BLOCKED_REPORT: &str = "/stats?site_id=site-abc-123&date=2025-11-12&compare=previous";

#[tokio::test]
async fn a_report_that_recovery_has_ended_is_read_once_more() {
    let replicated = replicated().await;
    let conflict = Conflict::prepare(&replicated).await;
    let disturb = async {
        let ending = conflict.end_report(1).await;
        let Conflict { block, .. } = conflict;
        unlock(&replicated, block).await;
        unlock(&replicated, ending).await;
    };
    let (answer, ()) = tokio::join!(replicated.service.get(BLOCKED_REPORT), disturb);
    assert_eq!((answer.status, &answer.json()["total_views"]), (200, &1.into()), "{}", answer.body);
}

#[tokio::test]
async fn who_is_ended_twice_is_told_to_come_again() {
    let replicated = replicated().await;
    let conflict = Conflict::prepare(&replicated).await;
    let disturb = async {
        let first = conflict.end_report(1).await;
        unlock(&replicated, first).await;
        conflict.end_report(2).await
    };
    let (answer, _ending) = tokio::join!(replicated.service.get(BLOCKED_REPORT), disturb);
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"), "{}", answer.body);
    assert_eq!(answer.json()["code"], "database_unavailable");
    assert_eq!(answer.error(), "reports cannot be read at the moment; ask again later");
}

#[tokio::test]
async fn a_standby_that_is_promoted_without_the_last_fence_does_not_give_its_states_the_same_names() {
    let replicated = replicated().await;
    // The standby hears of nothing any more.
    execute(&replicated.standby_db, "alter system set primary_conninfo = ''").await;
    execute(&replicated.standby_db, "select pg_reload_conf()").await;
    until(&replicated.standby_db, "select not exists(select from pg_stat_wal_receiver)").await;
    // On the primary parked events are counted after all.
    let fence = "update checkpoint set epoch = epoch + 1 where partition_id = 2";
    let state = "select checkpoints from active_generation";
    execute(&replicated.primary_db, fence).await;
    let lost: String = sqlx::query_scalar(state).fetch_one(&replicated.primary_db).await.expect("a state");
    execute(&replicated.standby_db, "select pg_promote(true)").await;
    // Other ones are, on what was the standby.
    until(&replicated.standby_db, "select not pg_is_in_recovery()").await;
    execute(&replicated.standby_db, fence).await;
    let found: String = sqlx::query_scalar(state).fetch_one(&replicated.standby_db).await.expect("a state");
    assert_ne!(found, lost, "one state, two contents");
}

#[tokio::test]
async fn another_database_in_the_place_of_a_standby_ends_the_service() {
    let primary = Server::start().await;
    primary.migrated(DATABASE).await;
    primary.migrated("another").await;
    let read_database_url = Some(primary.service_url("another").into());
    let config = Config { read_database_url, ..config(primary.service_url(DATABASE)) };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let running = timeout(SOON, query::run(config, listener, CancellationToken::new()));
    let refused = running.await.expect("it does not go on").expect_err("that is no standby");
    assert!(refused.to_string().starts_with("READ_DATABASE_URL names another database"), "{refused}");
}
