use std::num::NonZeroU16;

use crate::models::{BATCH, Models};
use crate::server::Database;
use crate::service::{Service, config};

/// A service that reads one report at a time.
async fn with_one_place() -> (Service, sqlx::PgPool, Database) {
    let database = Database::empty().await;
    let db = database.migrate().await;
    Models::create(&db, "active").await.add(&BATCH).await;
    let query_reports_max = NonZeroU16::new(1).expect("not 0");
    let service = Service::start_with(query::Config { query_reports_max, ..config(database.service_url()) }).await;
    (service, db, database)
}

#[tokio::test]
async fn reports_in_progress_are_bounded() {
    let (service, db, _database) = with_one_place().await;
    assert_eq!(service.get("/stats?site_id=site-abc-123").await.status, 200);
    let mut tx = db.begin().await.expect("a transaction");
    sqlx::query("lock table view_total in access exclusive mode").execute(&mut *tx).await.expect("locked");
    let reading = service.get("/stats?site_id=site-abc-123");
    let others = async {
        is_waiting(&db).await;
        for path in ["/stats?site_id=a", "/paths?site_id=a", "/sites?limit=1", "/events/types?site_id=a"] {
            let answer = service.get(path).await;
            assert_eq!((answer.status, answer.header("retry-after")), (503, "1"), "{path}");
            assert_eq!(answer.error(), "too many reports are asked for at once; ask again later");
            assert_eq!(answer.json()["code"], "too_many_reports");
        }
        // What is wrong is told at once, and so is how the service does.
        assert_eq!(service.get("/stats").await.status, 400);
        assert_eq!(service.get("/healthz").await.status, 200);
        tx.rollback().await.expect("given up");
    };
    let (read, ()) = tokio::join!(reading, others);
    assert_eq!(read.status, 200, "{}", read.body);
    assert_eq!(service.get("/stats?site_id=site-abc-123").await.status, 200, "there is a place again");
}

/// Returns when a report waits for the table that is locked.
async fn is_waiting(db: &sqlx::PgPool) {
    let waiting = "select exists(select from pg_stat_activity where datname = current_database()
        and application_name = 'tidemark-query' and wait_event_type = 'Lock')";
    while !sqlx::query_scalar::<_, bool>(waiting).fetch_one(db).await.expect("an answer") {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn who_hangs_up_leaves_a_place() {
    let (service, db, _database) = with_one_place().await;
    let mut tx = db.begin().await.expect("a transaction");
    sqlx::query("lock table view_total in access exclusive mode").execute(&mut *tx).await.expect("locked");
    tokio::select! {
        answer = service.get("/stats?site_id=site-abc-123") => panic!("answered in spite of the lock: {answer:?}"),
        () = is_waiting(&db) => {}
    }
    // The request is given up, while what it waited for is still in the way.
    while service.get("/paths?site_id=a").await.status == 503 {
        tokio::task::yield_now().await;
    }
    tx.rollback().await.expect("given up");
}
