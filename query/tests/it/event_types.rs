use serde_json::{Value, json};

use crate::models::{BATCH, Batch};
use crate::service::{Service, with_models};

async fn types(service: &Service, query: &str) -> Value {
    let answer = service.get(&format!("/events/types?{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.body);
    answer.json()["event_types"].take()
}

fn counts(event_type: &str, views: u64, unique_users: u64) -> Value {
    json!({"event_type": event_type, "views": views, "unique_users": unique_users})
}

#[tokio::test]
async fn types_are_answered_to_the_letter() {
    let (service, models, ..) = with_models().await;
    models.add(&Batch { paths: &[("/", 2), ("/a", 3)], users: 0..4, ..BATCH }).await;
    models.add(&Batch { event_type: "signup", users: 0..0, ..BATCH }).await;
    let answer = service.get("/events/types?site_id=site-abc-123").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!(
        answer.body,
        concat!(
            r#"{"site_id":"site-abc-123","event_types":[{"event_type":"page_view","views":5,"unique_users":4},"#,
            r#"{"event_type":"signup","views":1,"unique_users":0}]}"#
        )
    );
}

#[tokio::test]
async fn days_and_partitions_are_added_up_and_users_are_counted_once() {
    let (service, models, ..) = with_models().await;
    for event_type in ["b", "a", "Z"] {
        for (day, partition_id, users) in [("2025-11-11", 2, 0..10), ("2025-11-12", 2, 5..20), ("2025-11-12", 3, 0..30)]
        {
            models.add(&Batch { event_type, day, partition_id, users, paths: &[("/", 2)], ..BATCH }).await;
        }
    }
    models.add(&Batch { event_type: "most", day: "2025-11-12", paths: &[("/", 9)], ..BATCH }).await;
    models.add(&Batch { site_id: "other", event_type: "other", ..BATCH }).await;
    let all = |views, users| ["Z", "a", "b"].map(|event_type| counts(event_type, views, users));
    let most = [counts("most", 9, 1)];
    for (days, expected) in [
        ("", [&most[..], &all(6, 30)].concat()),
        ("&date=2025-11-12", [&most[..], &all(4, 30)].concat()),
        ("&to=2025-11-11", all(2, 10).to_vec()),
        ("&from=2025-11-11&to=2025-11-12", [&most[..], &all(6, 30)].concat()),
        ("&from=2025-11-13", vec![]),
    ] {
        assert_eq!(types(&service, &format!("site_id=site-abc-123{days}")).await, json!(expected), "{days}");
    }
    assert_eq!(types(&service, "site_id=silent").await, json!([]));
}

#[tokio::test]
async fn one_row_is_answered_from_its_number() {
    let (service, models, db, _) = with_models().await;
    models.add(&BATCH).await;
    models.add(&Batch { event_type: "signup", ..BATCH }).await;
    for table in ["daily", "total"] {
        let change = format!("update user_{table} set users = 4711, sketch = 'no sketch'");
        sqlx::query(sqlx::AssertSqlSafe(change)).execute(&db).await.expect("changed");
    }
    for days in ["", "&from=2025-11-01"] {
        let types = types(&service, &format!("site_id=site-abc-123{days}")).await;
        assert_eq!(types, json!([counts("page_view", 1, 4_711), counts("signup", 1, 4_711)]), "{days}");
    }
}

#[tokio::test]
async fn there_are_no_more_than_a_thousand() {
    let (service, models, db, _) = with_models().await;
    models.add(&Batch { event_type: "few", ..BATCH }).await;
    for table in ["view_daily", "view_total"] {
        let day = if table == "view_daily" { "day, " } else { "" };
        let date = if table == "view_daily" { "'2025-11-12', " } else { "" };
        let many = format!(
            "insert into {table} (generation_id, site_id, event_type, {day}partition_id, views)
             select {}, 'site-abc-123', 'type-' || number, {date} 2, 1000 + number from generate_series(1, 1200) as number",
            models.generation_id
        );
        sqlx::query(sqlx::AssertSqlSafe(many)).execute(&db).await.expect("inserted");
    }
    for days in ["", "&date=2025-11-12"] {
        let types = types(&service, &format!("site_id=site-abc-123{days}")).await;
        let types = types.as_array().expect("types");
        assert_eq!((types.len(), &types[0]), (1_000, &counts("type-1200", 2_200, 0)));
        assert_eq!(types[999]["event_type"], "type-201");
    }
}
