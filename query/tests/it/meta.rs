use serde_json::{Value, json};
use sqlx::PgPool;

use crate::models::{BATCH, Batch, Models};
use crate::service::{Service, with_models};

/// Every way to ask for days.
const PERIODS: [&str; 3] = ["", "&date=2025-11-12", "&from=2025-11-01&to=2025-11-30"];

async fn meta(service: &Service, query: &str) -> Value {
    service.stats(&format!("{query}&meta=true")).await["meta"].take()
}

/// An observation of a stream by a projector, some time ago.
async fn observe(db: &PgPool, partition_id: i32, sequence: i64, seconds_ago: f64) {
    let statement = "
        insert into log_end (partition_id, stream_sequence, observed_at) values ($1, $2, now() - $3 * interval '1 s')
        on conflict (partition_id) do update set stream_sequence = $2, observed_at = excluded.observed_at";
    let observed = sqlx::query(statement).bind(partition_id).bind(sequence).bind(seconds_ago);
    observed.execute(db).await.expect("observed");
}

async fn change(db: &PgPool, statement: &'static str) {
    sqlx::query(statement).execute(db).await.expect("changed");
}

#[tokio::test]
async fn a_report_says_to_the_letter_what_it_contains() {
    let (service, models, db, _) = with_models().await;
    models.add(&Batch { sequence: Some(4_650), ..BATCH }).await;
    models.reach(10, 7).await;
    for (partition_id, sequence) in [(2, 4_650), (10, 7)] {
        observe(&db, partition_id, sequence, 0.0).await;
    }
    let meta = concat!(
        r#","meta":{"generation":1,"as_of":{"2":4650,"10":7},"lag_events":0,"lag_seconds":0.0,"complete":true,"#,
        r#""unique_users_error":{"method":"sparse","max_abs_error":3,"confidence":0.99}}}"#
    );
    for site in ["site-abc-123", "silent"] {
        for period in PERIODS {
            let plain = service.get(&format!("/stats?site_id={site}{period}")).await.body;
            let with_meta = service.get(&format!("/stats?site_id={site}{period}&meta=true")).await.body;
            assert_eq!(with_meta, format!("{}{meta}", plain.strip_suffix('}').expect("an object")));
            let without = service.get(&format!("/stats?meta=false&site_id={site}{period}")).await.body;
            assert_eq!(without, plain);
        }
    }
}

#[tokio::test]
async fn only_checkpoints_of_the_active_generation_show() {
    let (service, models, db, _) = with_models().await;
    let building = Models::create(&db, "building").await;
    models.reach(0, 100).await;
    building.reach(0, 40).await;
    building.reach(1, 50).await;
    for period in PERIODS {
        let meta = meta(&service, &format!("site_id=a{period}")).await;
        assert_eq!((&meta["generation"], &meta["as_of"]), (&json!(models.generation_id), &json!({"0": 100})));
    }
    building.activate().await;
    for period in PERIODS {
        let meta = meta(&service, &format!("site_id=a{period}")).await;
        let (id, as_of) = (building.generation_id, json!({"0": 40, "1": 50}));
        assert_eq!((&meta["generation"], &meta["as_of"]), (&json!(id), &as_of));
    }
}

#[tokio::test]
async fn a_lag_is_told_in_events_and_seconds() {
    let (service, models, db, _) = with_models().await;
    // Five events in two envelopes, three in one.
    models.add(&Batch { paths: &[("/", 5)], sequence: Some(2), ..BATCH }).await;
    models.add(&Batch { paths: &[("/", 3)], sequence: Some(1), partition_id: 3, ..BATCH }).await;
    observe(&db, 2, 5, 0.0).await;
    observe(&db, 3, 2, 0.0).await;
    change(&db, "update checkpoint set logged_at = now() - interval '90 s' where partition_id = 2").await;
    change(&db, "update checkpoint set logged_at = now() - interval '30 s' where partition_id = 3").await;
    let lag = async || {
        let meta = meta(&service, "site_id=site-abc-123").await;
        assert_eq!(meta["complete"], false, "{meta}");
        let seconds = meta["lag_seconds"].as_f64().expect("seconds").floor();
        (meta["lag_events"].as_u64().expect("a number"), seconds)
    };
    // Three envelopes of 2.5 events, one of 3.
    assert_eq!(lag().await, (8 + 3, 90.0));
    observe(&db, 2, 2, 0.0).await;
    assert_eq!(lag().await, (3, 30.0), "a partition that is not behind does not count");
    change(&db, "update checkpoint set logged_at = null, updated_at = now() - interval '20 s' where partition_id = 3")
        .await;
    assert_eq!(lag().await, (3, 20.0));
    observe(&db, 3, 1, 0.0).await;
    observe(&db, 9, 4, 0.0).await;
    assert_eq!(lag().await, (4, 0.0), "a partition without a checkpoint is missing as a whole");
}

#[tokio::test]
async fn a_report_is_complete_only_if_that_is_known() {
    let (service, models, db, _) = with_models().await;
    let complete = async || {
        let mut seen: Vec<_> = Vec::new();
        for period in PERIODS {
            seen.push(meta(&service, &format!("site_id=a{period}")).await["complete"] == true);
        }
        seen.dedup();
        assert_eq!(seen.len(), 1, "the days do not matter");
        seen[0]
    };
    assert!(!complete().await, "no projector has observed the log");
    models.reach(0, 5).await;
    assert!(!complete().await, "no projector has observed this partition");
    observe(&db, 0, 5, 0.0).await;
    assert!(complete().await);
    observe(&db, 0, 4, 3.0).await;
    assert!(complete().await, "the checkpoint may be newer than the observation");
    observe(&db, 0, 5, 6.0).await;
    assert!(!complete().await, "the observation is stale");
    // Clocks of transactions that overlap.
    observe(&db, 0, 5, -1.0).await;
    assert!(complete().await);
    observe(&db, 1, 0, 0.0).await;
    assert!(!complete().await, "the second partition has no checkpoint");
    models.reach(1, 0).await;
    assert!(complete().await);
    observe(&db, 1, 1, 0.0).await;
    assert!(!complete().await, "the second partition is behind");
}

#[tokio::test]
async fn few_users_are_listed_and_many_are_estimated() {
    let (service, models, ..) = with_models().await;
    models.add(&Batch { site_id: "few", users: 0..300, ..BATCH }).await;
    models.add(&Batch { site_id: "few", users: 200..500, day: "2025-11-13", ..BATCH }).await;
    models.add(&Batch { site_id: "many", users: 0..13_000, ..BATCH }).await;
    // Neither day is too much for a list, both together are.
    models.add(&Batch { site_id: "both", users: 0..5_000, ..BATCH }).await;
    models.add(&Batch { site_id: "both", users: 4_000..9_000, day: "2025-11-13", partition_id: 3, ..BATCH }).await;
    let sparse = json!({"method": "sparse", "max_abs_error": 3, "confidence": 0.99});
    for (query, is_estimated) in [
        ("site_id=few", false),
        ("site_id=few&date=2025-11-12", false),
        ("site_id=few&from=2025-11-12", false),
        ("site_id=many", true),
        ("site_id=many&date=2025-11-12", true),
        ("site_id=many&from=2025-11-12", true),
        ("site_id=many&date=2025-11-13", false),
        ("site_id=both&date=2025-11-12", false),
        ("site_id=both&date=2025-11-13", false),
        ("site_id=both&from=2025-11-12", true),
        ("site_id=both", true),
    ] {
        let stats = service.stats(&format!("{query}&meta=true")).await;
        let error = &stats["meta"]["unique_users_error"];
        if is_estimated {
            assert_estimated(&stats);
        } else {
            assert_eq!(error, &sparse, "{query}");
        }
    }
}

fn assert_estimated(stats: &Value) {
    let users = stats["unique_users"].as_u64().expect("a number");
    // 1.96 standard errors of 0.0081, in millionths, rounded.
    let margin = (users * 15_876 + 500_000) / 1_000_000;
    assert!(margin > 100, "{stats}");
    let expected = json!({
        "method": "hll", "precision": 14, "relative_std_error": 0.0081, "confidence": 0.95,
        "low": users - margin, "high": users + margin,
    });
    assert_eq!(stats["meta"]["unique_users_error"], expected, "{stats}");
}

#[tokio::test]
async fn a_single_number_is_as_exact_as_its_sketch_says() {
    let (service, models, db, _) = with_models().await;
    models.add(&Batch { users: 0..13_000, ..BATCH }).await;
    // A report that counts anew fails here.
    for table in ["user_daily", "user_total"] {
        let statement = format!("update {table} set users = 20000");
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&db).await.expect("changed");
    }
    for period in PERIODS {
        let stats = service.stats(&format!("site_id=site-abc-123&meta=true{period}")).await;
        assert_eq!(stats["unique_users"], 20_000);
        assert_estimated(&stats);
    }
    change(&db, "update user_daily set sketch = 'no sketch'").await;
    let answer = service.get("/stats?site_id=site-abc-123&date=2025-11-12&meta=true").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.error(), "what is stored about the site is damaged and has to be rebuilt by an operator");
}
