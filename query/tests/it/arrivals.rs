use std::time::{Duration, Instant};

use query::Config;
use sqlx::PgPool;
use tokio::time::sleep;

use crate::models::{BATCH, Batch, Models};
use crate::server::{Database, Server};
use crate::service::{Answer, Service, config, milliseconds, with_models};

const AFTER_10: &str = "/stats?site_id=site-abc-123&after=2-10-0";

/// Longer than any test, shorter than the time for a report.
const PATIENCE_MS: u32 = 4_500;

/// Beyond a time that is expected: a busy machine that schedules late.
const SLACK: Duration = Duration::from_millis(1_500);

/// Long enough for a request to be waiting.
const MOMENT: Duration = Duration::from_millis(300);

/// A service that waits as long, and partition 2 of its generation at 9.
async fn waiting_for(after_timeout_ms: u32) -> (Service, Models, PgPool) {
    let (_, models, db, database) = with_models().await;
    models.add(&Batch { sequence: Some(9), ..BATCH }).await;
    let service = Service::start_waiting(&database, after_timeout_ms).await;
    // The first connection takes its time on a busy machine.
    assert_eq!(service.get("/readyz").await.status, 200);
    (service, models, db)
}

/// Expects the answer that says "not yet" or the like.
fn unavailable(answer: &Answer) -> String {
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"), "{}", answer.body);
    answer.error()
}

#[tokio::test]
async fn what_is_contained_is_not_waited_for() {
    let (service, ..) = waiting_for(PATIENCE_MS).await;
    let plain = service.get("/stats?site_id=site-abc-123").await.body;
    let asked = Instant::now();
    for receipt in ["2-9-0", "2-9-999", "2-1-0"] {
        let answer = service.get(&format!("/stats?site_id=site-abc-123&after={receipt}")).await;
        assert_eq!((answer.status, &answer.body), (200, &plain), "{receipt}");
    }
    assert!(asked.elapsed() < SLACK, "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_report_waits_until_it_contains_the_event() {
    let (service, models, ..) = waiting_for(PATIENCE_MS).await;
    for (sequence, days) in [(10, ""), (11, "&date=2025-11-12"), (12, "&from=2025-11-01")] {
        let path = format!("/stats?site_id=site-abc-123&after=2-{sequence}-3{days}");
        let asked = Instant::now();
        let commit = async {
            sleep(MOMENT).await;
            models.add(&Batch { sequence: Some(sequence), ..BATCH }).await;
        };
        let (answer, ()) = tokio::join!(service.get(&path), commit);
        assert_eq!((answer.status, &answer.json()["total_views"]), (200, &(sequence - 8).into()), "{}", answer.body);
        assert!(answer.json().get("meta").is_none(), "the request does not ask for it");
        assert!(asked.elapsed() >= MOMENT && asked.elapsed() < MOMENT + SLACK, "{:?}", asked.elapsed());
    }
    let metrics = service.get("/metrics").await.body;
    assert!(metrics.contains("query_after_wait_seconds_count{outcome=\"arrived\"}"), "{metrics}");
}

#[tokio::test]
async fn a_wait_has_an_end() {
    const WAIT: Duration = Duration::from_secs(1);
    let (service, ..) = waiting_for(1_000).await;
    for receipt in ["2-10-0", "2-18446744073709551615-0", "3-1-0"] {
        let asked = Instant::now();
        let answer = service.get(&format!("/stats?site_id=site-abc-123&after={receipt}")).await;
        let sentence = format!("reports do not contain the event of receipt {receipt} yet; ask again later");
        assert_eq!(unavailable(&answer), sentence);
        assert!(asked.elapsed() >= WAIT && asked.elapsed() < WAIT + SLACK, "{:?}", asked.elapsed());
    }
}

/// Says where the log ends, as a projector does that looks now.
async fn observe(db: &PgPool, partition_id: i32, sequence: i64) {
    let observe = "insert into log_end (partition_id, stream_sequence, observed_at) values ($1, $2, now())
        on conflict (partition_id) do update set stream_sequence = $2, observed_at = now()";
    sqlx::query(observe).bind(partition_id).bind(sequence).execute(db).await.expect("observed");
}

#[tokio::test]
async fn a_receipt_that_no_event_can_have_is_refused_for_good() {
    let (service, models, db) = waiting_for(PATIENCE_MS).await;
    observe(&db, 2, 12).await;
    let refused = async |receipt: &str| {
        let answer = service.get(&format!("/stats?site_id=site-abc-123&after={receipt}")).await;
        let sentence =
            format!("the log has no event of receipt {receipt}; after takes a receipt that an event was answered with");
        assert_eq!((answer.status, answer.error()), (400, sentence), "{receipt}");
        assert_eq!((answer.json()["code"].as_str(), answer.header("retry-after")), (Some("no_such_event"), ""));
    };
    let asked = Instant::now();
    for receipt in ["2-999999999-0", "2-18446744073709551615-0"] {
        refused(receipt).await;
    }
    assert!(asked.elapsed() < SLACK, "at once: {:?}", asked.elapsed());
    // A projector looks at all streams once a second. The first look after the request has no such partition.
    let looks = async {
        loop {
            observe(&db, 2, 12).await;
            sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        () = refused("99-1-0") => {}
        () = looks => unreachable!("looks have no end"),
    }
    assert!(asked.elapsed() < Duration::from_millis(PATIENCE_MS.into()), "{:?}", asked.elapsed());
    // What may be there by now is waited for.
    let commit = async {
        sleep(MOMENT).await;
        models.reach(2, 500_000).await;
    };
    let (answer, ()) = tokio::join!(service.get("/stats?site_id=site-abc-123&after=2-500000-0"), commit);
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn a_partition_that_has_just_been_added_is_waited_for() {
    let (service, models, db) = waiting_for(PATIENCE_MS).await;
    observe(&db, 2, 12).await;
    let added = async {
        sleep(MOMENT).await;
        observe(&db, 2, 12).await;
        observe(&db, 3, 1).await;
        sleep(MOMENT * 3).await;
        models.reach(3, 1).await;
    };
    let (answer, ()) = tokio::join!(service.get("/stats?site_id=site-abc-123&after=3-1-0"), added);
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn it_is_the_active_generation_that_has_to_contain_the_event() {
    let (service, models, db) = waiting_for(PATIENCE_MS).await;
    let next = Models::create(&db, "building").await;
    next.add(&Batch { paths: &[("/next", 40)], sequence: Some(12), ..BATCH }).await;
    let switch = async {
        sleep(MOMENT).await;
        next.activate().await;
    };
    let asked = Instant::now();
    let (answer, ()) = tokio::join!(service.get(AFTER_10), switch);
    assert_eq!((answer.status, &answer.json()["total_views"]), (200, &40.into()), "{}", answer.body);
    assert!(asked.elapsed() >= MOMENT, "the one that was building does not count");
    // And the one before is not as far.
    models.activate().await;
    let (answer, ()) = tokio::join!(service.get(AFTER_10), switch_back(&next));
    assert_eq!((answer.status, &answer.json()["total_views"]), (200, &40.into()), "{}", answer.body);
}

async fn switch_back(models: &Models) {
    sleep(MOMENT).await;
    models.activate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generations_that_come_and_go_do_not_lose_the_event() {
    let (service, models, db) = waiting_for(PATIENCE_MS).await;
    let further = Models::create(&db, "building").await;
    further.add(&Batch { paths: &[("/further", 40)], sequence: Some(12), ..BATCH }).await;
    let changes = tokio::spawn(async move {
        for _ in 0..300 {
            further.activate().await;
            models.activate().await;
        }
        further.activate().await;
    });
    while !changes.is_finished() {
        let answer = service.get(&format!("{AFTER_10}&meta=true")).await;
        let report = answer.json();
        assert_eq!((answer.status, &report["total_views"]), (200, &40.into()), "{}", answer.body);
        assert_eq!(report["meta"]["as_of"]["2"], 12);
    }
    changes.await.expect("changes that did not fail");
}

#[tokio::test]
async fn without_an_active_generation_there_is_nothing_to_wait_for() {
    let database = Database::empty().await;
    let db = database.migrate().await;
    let service = Service::start_waiting(&database, PATIENCE_MS).await;
    Models::create(&db, "building").await.reach(2, 10).await;
    let asked = Instant::now();
    let sentence = "there are no read models yet; ask again when the projector has made them";
    assert_eq!(unavailable(&service.get(AFTER_10).await), sentence);
    assert!(asked.elapsed() < SLACK, "{:?}", asked.elapsed());
}

#[tokio::test]
async fn those_who_wait_are_in_nobodys_way() {
    let (mut service, _, db) = waiting_for(4_000).await;
    // Many times as many as there are connections.
    let waiting = futures_util::future::join_all([(); 60].map(|()| service.get(AFTER_10)));
    let others = async {
        sleep(MOMENT).await;
        let asked = Instant::now();
        for _ in 0..10 {
            assert_eq!(service.get("/stats?site_id=site-abc-123").await.status, 200);
        }
        asked.elapsed()
    };
    let (answers, elapsed) = tokio::join!(waiting, others);
    assert!(elapsed < Duration::from_millis(2_500), "{elapsed:?}");
    answers.iter().map(unavailable).for_each(|error| assert!(error.starts_with("reports do not contain"), "{error}"));
    // They look together: 200 times in these four seconds, not 60 times as often.
    service.shutdown.cancel();
    (&mut service.running).await.expect("no panic").expect("no error");
    let looks = looks(&db).await;
    assert!((10..1_000).contains(&looks), "{looks}");
}

#[tokio::test]
async fn those_who_wait_share_looks_that_take_long() {
    const LOOK: Duration = Duration::from_millis(100);
    let (service, _, db) = waiting_for(4_000).await;
    let slow = "alter table checkpoint rename to checkpoint_of_a_slow_disk;
        create view checkpoint as
            select known.* from checkpoint_of_a_slow_disk as known, (select pg_sleep(0.1)) as slow;
        grant select on checkpoint to tidemark_query;";
    sqlx::raw_sql(slow).execute(&db).await.expect("a slow table");
    let asked = Instant::now();
    assert_eq!(service.get("/stats?site_id=site-abc-123&after=2-9-0").await.status, 200);
    assert!(asked.elapsed() >= LOOK, "it is not slow");
    // One after another, they would be through in six seconds.
    let answers = futures_util::future::join_all([(); 60].map(|()| service.get(AFTER_10))).await;
    answers.iter().map(unavailable).for_each(|error| assert!(error.starts_with("reports do not contain"), "{error}"));
}

/// Counts the polls of the active generation. Postgres counts when a connection ends.
async fn looks(db: &PgPool) -> i64 {
    let connected = "select count(*) from pg_stat_activity
        where datname = current_database() and application_name = 'tidemark-query'";
    while sqlx::query_scalar::<_, i64>(connected).fetch_one(db).await.expect("a number") > 0 {
        sleep(Duration::from_millis(10)).await;
    }
    let scans = "select seq_scan + idx_scan from pg_stat_user_tables where relname = 'generation'";
    sqlx::query_scalar(scans).fetch_one(db).await.expect("a number")
}

#[tokio::test]
async fn not_too_many_wait_and_those_who_leave_make_room() {
    const WAITING_MAX: usize = 256;
    const TOO_MANY: usize = 10;
    let (service, models, ..) = waiting_for(PATIENCE_MS).await;
    let service = std::sync::Arc::new(service);
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..WAITING_MAX + TOO_MANY {
        let service = service.clone();
        waiting.spawn(async move { service.get(AFTER_10).await });
    }
    for _ in 0..TOO_MANY {
        let answer = waiting.join_next().await.expect("an answer").expect("no panic");
        assert_eq!(unavailable(&answer), "too many reports wait for their events to arrive; ask again later");
    }
    assert!(tokio::time::timeout(MOMENT, waiting.join_next()).await.is_err(), "all others wait");
    assert_eq!(service.get("/stats?site_id=site-abc-123&after=2-9-0").await.status, 200, "it need not wait");
    waiting.shutdown().await;
    let left = Instant::now();
    // A request that is allowed to wait is not answered.
    while tokio::time::timeout(MOMENT, service.get(AFTER_10)).await.is_ok() {
        assert!(left.elapsed() < SLACK, "their places are not free");
    }
    let commit = async {
        sleep(MOMENT).await;
        models.reach(2, 10).await;
    };
    let (answer, ()) = tokio::join!(service.get(AFTER_10), commit);
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn a_hanging_postgres_is_not_waited_for_longer() {
    let server = Server::start().await;
    let db = server.migrated("tidemark").await;
    let models = Models::create(&db, "active").await;
    models.add(&Batch { sequence: Some(9), ..BATCH }).await;
    let after = Some(milliseconds(1_000));
    let config = Config { query_after_timeout_ms: after, ..config(server.service_url("tidemark")) };
    let service = Service::start_with(config).await;
    let unavailable_in_time = async || {
        let asked = Instant::now();
        let error = unavailable(&service.get(AFTER_10).await);
        assert!(asked.elapsed() < Duration::from_secs(1) + SLACK, "{:?}", asked.elapsed());
        error
    };
    let freeze = async {
        sleep(MOMENT).await;
        // More than one connection is there, just used, when it happens.
        futures_util::future::join_all([(); 4].map(|()| service.get("/stats?site_id=a"))).await;
        server.postgres.freeze().expect("frozen");
        // No request is answered from an older poll.
        sleep(Duration::from_millis(50)).await;
        unavailable_in_time().await
    };
    let (_, error) = tokio::join!(unavailable_in_time(), freeze);
    assert_eq!(error, "reports cannot be read at the moment; ask again later");
    server.postgres.thaw();
    models.reach(2, 10).await;
    assert_eq!(service.get(AFTER_10).await.status, 200);
}

#[tokio::test]
async fn a_wait_is_not_longer_than_its_report() {
    let (_, _, _, database) = with_models().await;
    let mut service = Service::start_waiting(&database, 5_000).await;
    let ended = tokio::time::timeout(SLACK, &mut service.running).await.expect("it does not begin");
    let err = ended.expect("no panic").expect_err("a contradiction");
    assert!(err.to_string().starts_with("QUERY_AFTER_TIMEOUT_MS must be less than QUERY_TIMEOUT_MS"), "{err}");
}
