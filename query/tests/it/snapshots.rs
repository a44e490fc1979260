use serde_json::{Value, json};
use sqlx::PgPool;

use crate::models::{BATCH, Batch, Models};
use crate::server::Database;
use crate::service::{Service, with_models};

fn sum_of_paths(stats: &Value) -> u64 {
    let paths = stats["top_paths"].as_array().expect("paths");
    paths.iter().map(|top| top["views"].as_u64().expect("a number")).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_total_is_the_sum_over_all_paths_while_batches_arrive() {
    const BATCHES: u64 = 150;
    let (service, models, ..) = with_models().await;
    let writers = [2, 3].map(|partition_id| {
        let models = models.clone();
        tokio::spawn(async move {
            for number in 0..BATCHES {
                let path = format!("/{}", number % 40);
                models.add(&Batch { partition_id, paths: &[(&path, 3), ("/", 2)], ..BATCH }).await;
            }
        })
    });
    let mut seen = std::collections::BTreeSet::new();
    let mut is_over = false;
    while !is_over {
        // Asked before the reports, so that the last ones see everything.
        is_over = writers.iter().all(tokio::task::JoinHandle::is_finished);
        for days in ["", "&date=2025-11-12", "&from=2025-11-01"] {
            let stats = service.stats(&format!("site_id=site-abc-123&limit=1000{days}")).await;
            assert_eq!(stats["total_views"], sum_of_paths(&stats), "{days}");
            seen.insert(stats["total_views"].as_u64());
        }
    }
    for writer in writers {
        writer.await.expect("a writer that did not fail");
    }
    assert_eq!(seen.last(), Some(&Some(2 * BATCHES * 5)));
    assert!(seen.len() > 10, "reports were read while batches arrived: {}", seen.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_says_what_it_contains_while_batches_arrive() {
    const BATCHES: i64 = 150;
    const VIEWS: i64 = 5;
    let (service, models, ..) = with_models().await;
    let writers = [2, 3].map(|partition_id| {
        let models = models.clone();
        tokio::spawn(async move {
            for sequence in 1..=BATCHES {
                let sequence = Some(sequence);
                models.add(&Batch { partition_id, paths: &[("/", VIEWS)], sequence, ..BATCH }).await;
            }
        })
    });
    let mut seen = std::collections::BTreeSet::new();
    let mut is_over = false;
    while !is_over {
        is_over = writers.iter().all(tokio::task::JoinHandle::is_finished);
        for days in ["", "&date=2025-11-12", "&from=2025-11-01"] {
            let stats = service.stats(&format!("site_id=site-abc-123&meta=true{days}")).await;
            let as_of = stats["meta"]["as_of"].as_object().expect("partitions");
            let envelopes: i64 = as_of.values().map(|sequence| sequence.as_i64().expect("a sequence")).sum();
            assert_eq!(stats["total_views"], VIEWS * envelopes, "{stats}");
            seen.insert(envelopes);
        }
    }
    for writer in writers {
        writer.await.expect("a writer that did not fail");
    }
    assert_eq!(seen.last(), Some(&(2 * BATCHES)));
    assert!(seen.len() > 10, "reports were read while batches arrived: {}", seen.len());
}

#[tokio::test]
async fn only_the_active_generation_shows() {
    let (service, models, db, _) = with_models().await;
    models.add(&BATCH).await;
    let building = Models::create(&db, "building").await;
    building.add(&Batch { paths: &[("/new", 40)], users: 0..40, ..BATCH }).await;
    let report = async || service.stats("site_id=site-abc-123&from=2025-11-12").await;
    let (old, new) = (json!([{"path": "/", "views": 1}]), json!([{"path": "/new", "views": 40}]));
    assert_eq!(report().await["top_paths"], old);
    assert_eq!(report().await["unique_users"], 1);
    building.activate().await;
    assert_eq!(report().await["top_paths"], new);
    assert_eq!(report().await["unique_users"], 40);
    models.activate().await;
    assert_eq!(report().await["top_paths"], old);
}

#[tokio::test]
async fn without_an_active_generation_there_is_no_report() {
    let database = Database::empty().await;
    let db = database.migrate().await;
    let service = Service::start(database.service_url()).await;
    let models = Models::create(&db, "building").await;
    models.add(&BATCH).await;
    for days in ["", "&date=2025-11-12"] {
        let answer = service.get(&format!("/stats?site_id=site-abc-123{days}")).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
        assert_eq!(answer.error(), "there are no read models yet; ask again when the projector has made them");
    }
    models.activate().await;
    assert_eq!(service.stats("site_id=site-abc-123").await["total_views"], 1);
}

/// A generation becomes active long after its tables were made. Postgres plans a report before it takes its snapshot:
/// one that was planned without these tables, and then sees the generation active, would miss what is in some of them.
async fn reports_that_run_now_have_ended(db: &PgPool) {
    let now = "select clock_timestamp()::text";
    let now: String = sqlx::query_scalar(now).fetch_one(db).await.expect("a time");
    let running = "select count(*) from pg_stat_activity where datname = current_database()
        and application_name = 'tidemark-query' and state = 'active' and query_start <= $1::timestamptz";
    while sqlx::query_scalar::<_, i64>(running).bind(&now).fetch_one(db).await.expect("a number") > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generations_come_and_go_under_reports() {
    let (service, first, db, _) = with_models().await;
    first.add(&BATCH).await;
    let changes = tokio::spawn(async move {
        let mut active = first;
        for _ in 0..25 {
            let next = Models::create(&db, "building").await;
            // Each generation has numbers of its own, from which a mixture would be told.
            let views = i64::from(next.generation_id);
            let users = 0..u32::try_from(next.generation_id).expect("positive");
            next.add(&Batch { paths: &[("/", views)], users, ..BATCH }).await;
            reports_that_run_now_have_ended(&db).await;
            next.activate().await;
            std::mem::replace(&mut active, next).drop().await;
        }
    });
    let mut seen = std::collections::BTreeSet::new();
    let mut is_over = false;
    while !is_over {
        is_over = changes.is_finished();
        for days in ["", "&date=2025-11-12"] {
            let stats = service.stats(&format!("site_id=site-abc-123{days}")).await;
            let views = stats["total_views"].as_u64().expect("a number");
            assert_eq!((sum_of_paths(&stats), stats["unique_users"].as_u64()), (views, Some(views)), "{stats}");
            seen.insert(views);
        }
    }
    changes.await.expect("changes that did not fail");
    assert_eq!(seen.last(), Some(&26));
    assert!(seen.len() > 5, "reports were read while generations changed: {seen:?}");
}
