use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};

use crate::models::{BATCH, Batch, Models};
use crate::service::{Service, with_models};

const REPORTS: [&str; 3] = ["", "&date=2025-11-12", "&from=2025-11-01"];

/// Referrers as (kind, host, views).
type Sent<'a> = &'a [(&'a str, &'a str, i64)];

/// Read models that count referrers.
async fn with_referrers() -> (Service, Models, PgPool) {
    let (service, models, db, _) = with_models().await;
    count_referrers(&db, &models).await;
    (service, models, db)
}

async fn count_referrers(db: &PgPool, models: &Models) {
    let built = sqlx::query("update generation set fold_version = 3 where generation_id = $1");
    built.bind(models.generation_id).execute(db).await.expect("another version");
}

/// Adds a batch and its referrers, all in one transaction.
async fn add(db: &PgPool, models: &Models, batch: &Batch<'_>, referrers: Sent<'_>) {
    let mut tx = db.begin().await.expect("a transaction");
    models.add_in(&mut tx, batch).await;
    for table in ["daily", "total"] {
        let day = if table == "daily" { "day, " } else { "" };
        for (kind, host, views) in referrers {
            let statement = format!(
                "insert into referrer_{table} as old
                     (generation_id, site_id, event_type, {day}kind, host, partition_id, views)
                 select generation_id, site_id, event_type, {day}kind, host, partition_id, views
                 from (select $1 as generation_id, $2 as site_id, $3 as event_type, $4::date as day, $5 as kind,
                       $6 as host, $7 as partition_id, $8 as views) as new
                 on conflict (generation_id, site_id, event_type, {day}kind, host, partition_id)
                 do update set views = old.views + excluded.views"
            );
            let insert = sqlx::query(AssertSqlSafe(statement)).bind(models.generation_id).bind(batch.site_id);
            let insert = insert.bind(batch.event_type).bind(batch.day).bind(*kind).bind(*host);
            insert.bind(batch.partition_id).bind(*views).execute(&mut *tx).await.expect("inserted");
        }
    }
    tx.commit().await.expect("committed");
}

fn sum_of_referrers(stats: &Value) -> u64 {
    let referrers = &stats["referrers"];
    let top = referrers["top"].as_array().expect("hosts").iter().map(|top| &top["views"]);
    let all = top.chain([&referrers["own"], &referrers["none"], &referrers["unreadable"]]);
    all.map(|views| views.as_u64().expect("a number")).sum()
}

#[tokio::test]
async fn a_report_with_referrers_is_answered_to_the_letter() {
    let (service, models, db) = with_referrers().await;
    let referrers = [("host", "google.com", 12), ("none", "", 40), ("own", "", 3), ("unreadable", "", 1)];
    add(&db, &models, &Batch { paths: &[("/", 56)], ..BATCH }, &referrers).await;
    let answer = service.get("/stats?site_id=site-abc-123&date=2025-11-12&include=referrers").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!(
        answer.body,
        concat!(
            r#"{"site_id":"site-abc-123","date":"2025-11-12","total_views":56,"unique_users":1,"#,
            r#""top_paths":[{"path":"/","views":56}],"#,
            r#""referrers":{"top":[{"host":"google.com","views":12}],"own":3,"none":40,"unreadable":1}}"#
        )
    );
    let without = service.get("/stats?site_id=site-abc-123&date=2025-11-12").await.body;
    assert!(without.ends_with(r#""top_paths":[{"path":"/","views":56}]}"#), "{without}");
}

#[tokio::test]
async fn an_unknown_site_has_no_referrers() {
    let (service, ..) = with_referrers().await;
    for days in REPORTS {
        let stats = service.stats(&format!("site_id=silent&include=referrers{days}")).await;
        assert_eq!(stats["referrers"], json!({"top": [], "own": 0, "none": 0, "unreadable": 0}), "{days}");
        assert_eq!(stats["total_views"], 0, "{days}");
    }
}

#[tokio::test]
async fn a_limit_takes_the_best_hosts_and_equal_ones_are_in_byte_order() {
    let (service, models, db) = with_referrers().await;
    let hosts = [("host", "b", 5), ("host", "a-b", 5), ("host", "a.b", 5), ("host", "a", 5), ("host", "z", 6)];
    let batch = Batch { paths: &[("/", 26)], ..BATCH };
    add(&db, &models, &batch, &hosts).await;
    for days in REPORTS {
        for (limit, count) in [("", 3), ("&limit=1", 1), ("&limit=1000", 5)] {
            let stats = service.stats(&format!("site_id=site-abc-123&include=referrers{limit}{days}")).await;
            let top: Vec<_> = stats["referrers"]["top"].as_array().expect("hosts").iter().collect();
            let hosts: Vec<_> = top.iter().map(|top| top["host"].as_str().expect("a host")).collect();
            assert_eq!(hosts, ["z", "a", "a-b", "a.b", "b"][..count], "{limit}{days}");
        }
    }
}

#[tokio::test]
async fn days_types_sites_and_partitions_are_told_apart_or_added_up() {
    let (service, models, db) = with_referrers().await;
    for (day, partition_id, views) in [("2025-11-11", 2, 1), ("2025-11-12", 2, 10), ("2025-11-12", 7, 100)] {
        let batch = Batch { day, partition_id, paths: &[("/", 2 * views)], ..BATCH };
        add(&db, &models, &batch, &[("host", "a", views), ("own", "", views)]).await;
        add(&db, &models, &Batch { event_type: "signup", ..batch.clone() }, &[("host", "b", views)]).await;
        add(&db, &models, &Batch { site_id: "other", ..batch }, &[("none", "", views)]).await;
    }
    for (query, host, views) in [
        ("site_id=site-abc-123", "a", 111),
        ("site_id=site-abc-123&date=2025-11-12", "a", 110),
        ("site_id=site-abc-123&to=2025-11-11", "a", 1),
        ("site_id=site-abc-123&event_type=signup", "b", 111),
    ] {
        let stats = service.stats(&format!("{query}&include=referrers")).await;
        let own = if host == "a" { views } else { 0 };
        let expected = json!({"top": [{"host": host, "views": views}], "own": own, "none": 0, "unreadable": 0});
        assert_eq!(stats["referrers"], expected, "{query}");
    }
    assert_eq!(service.stats("site_id=other&include=referrers").await["referrers"]["none"], 111);
}

#[tokio::test]
async fn an_older_fold_has_no_referrers_yet() {
    let (service, models, db, _) = with_models().await;
    models.add(&BATCH).await;
    sqlx::query("update generation set fold_version = 2").execute(&db).await.expect("another version");
    // Made before there were these tables.
    let id = models.generation_id;
    let drop = format!("drop table referrer_daily_g{id}, referrer_total_g{id}");
    sqlx::query(AssertSqlSafe(drop)).execute(&db).await.expect("dropped");
    for days in REPORTS {
        let answer = service.get(&format!("/stats?site_id=site-abc-123&include=referrers{days}")).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, "1"), "{days}");
        assert_eq!(
            answer.error(),
            "the active generation does not count referrers yet; ask again when the rebuild is done"
        );
        assert_eq!(service.stats(&format!("site_id=site-abc-123{days}")).await["total_views"], 1, "{days}");
    }
    let newer = Models::create(&db, "building").await;
    count_referrers(&db, &newer).await;
    add(&db, &newer, &BATCH, &[("none", "", 1)]).await;
    newer.activate().await;
    assert_eq!(service.stats("site_id=site-abc-123&include=referrers").await["referrers"]["none"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_total_is_the_sum_over_all_referrers_while_batches_arrive() {
    const BATCHES: u64 = 100;
    let (service, models, db) = with_referrers().await;
    let writers = [2, 3].map(|partition_id| {
        let (models, db) = (models.clone(), db.clone());
        tokio::spawn(async move {
            for number in 0..BATCHES {
                let host = format!("host-{}", number % 40);
                let referrers = [("host", host.as_str(), 2), ("none", "", 1), ("own", "", 1), ("unreadable", "", 1)];
                let batch = Batch { partition_id, paths: &[("/", 5)], ..BATCH };
                add(&db, &models, &batch, &referrers).await;
            }
        })
    });
    let mut seen = std::collections::BTreeSet::new();
    let mut is_over = false;
    while !is_over {
        is_over = writers.iter().all(tokio::task::JoinHandle::is_finished);
        for days in REPORTS {
            let stats = service.stats(&format!("site_id=site-abc-123&include=referrers&limit=1000{days}")).await;
            assert_eq!(stats["total_views"], sum_of_referrers(&stats), "{days}");
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
async fn generations_come_and_go_under_reports_with_referrers() {
    let (service, first, db) = with_referrers().await;
    add(&db, &first, &BATCH, &[("own", "", 1)]).await;
    let changes = tokio::spawn(async move {
        let mut active = first;
        for _ in 0..25 {
            let next = Models::create(&db, "building").await;
            count_referrers(&db, &next).await;
            // Each generation has numbers of its own, from which a mixture would be told.
            let views = i64::from(next.generation_id);
            let batch = Batch { paths: &[("/", views)], ..BATCH };
            add(&db, &next, &batch, &[("host", "a", views - 1), ("own", "", 1)]).await;
            next.activate().await;
            std::mem::replace(&mut active, next).drop().await;
        }
    });
    let mut seen = std::collections::BTreeSet::new();
    let mut is_over = false;
    while !is_over {
        is_over = changes.is_finished();
        for days in REPORTS {
            let stats = service.stats(&format!("site_id=site-abc-123&include=referrers{days}")).await;
            let views = stats["total_views"].as_u64().expect("a number");
            assert_eq!((sum_of_referrers(&stats), &stats["top_paths"][0]["views"]), (views, &json!(views)), "{stats}");
            seen.insert(views);
        }
    }
    changes.await.expect("changes that did not fail");
    assert_eq!(seen.last(), Some(&26));
    assert!(seen.len() > 5, "reports were read while generations changed: {seen:?}");
}
