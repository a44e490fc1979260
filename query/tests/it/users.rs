use serde_json::Value;
use sqlx::PgPool;

use crate::models::{BATCH, Batch};
use crate::service::{Service, with_models};

const RANGE: &str = "site_id=site-abc-123&from=2025-11-12&to=2025-11-13";

async fn users(service: &Service, query: &str) -> Value {
    service.stats(query).await["unique_users"].take()
}

async fn change(db: &PgPool, statement: &'static str) {
    sqlx::query(statement).execute(db).await.expect("changed");
}

#[tokio::test]
async fn who_comes_on_several_days_is_one_user() {
    let (service, models, ..) = with_models().await;
    models.add(&Batch { users: 0..300, ..BATCH }).await;
    models.add(&Batch { users: 200..500, day: "2025-11-13", ..BATCH }).await;
    models.add(&Batch { users: 450..600, day: "2025-11-13", partition_id: 3, ..BATCH }).await;
    models.add(&Batch { users: 0..0, day: "2025-11-14", ..BATCH }).await;
    assert_eq!(users(&service, RANGE).await, 600);
    assert_eq!(users(&service, "site_id=site-abc-123").await, 600);
    assert_eq!(users(&service, "site_id=site-abc-123&date=2025-11-13").await, 400);
    assert_eq!(users(&service, "site_id=site-abc-123&from=2025-11-14").await, 0);
}

#[tokio::test]
async fn many_users_are_estimated() {
    let (service, models, ..) = with_models().await;
    models.add(&Batch { users: 0..30_000, ..BATCH }).await;
    models.add(&Batch { users: 20_000..50_000, day: "2025-11-13", ..BATCH }).await;
    let users = users(&service, RANGE).await.as_u64().expect("a number");
    // Four standard errors of 0.81 %.
    assert!((48_380..=51_620).contains(&users), "{users}");
}

#[tokio::test]
async fn a_day_and_all_time_are_answered_from_their_number() {
    let (service, models, db, _) = with_models().await;
    models.add(&Batch { users: 0..300, ..BATCH }).await;
    // A report that reads a sketch fails here.
    change(&db, "update user_daily set users = 4711, sketch = 'no sketch'").await;
    change(&db, "update user_total set users = 4712, sketch = 'no sketch'").await;
    assert_eq!(users(&service, "site_id=site-abc-123&date=2025-11-12").await, 4_711);
    assert_eq!(users(&service, "site_id=site-abc-123").await, 4_712);
}

#[tokio::test]
async fn a_range_has_at_least_the_users_of_its_largest_day() {
    let (service, models, db, _) = with_models().await;
    models.add(&Batch { users: 0..300, ..BATCH }).await;
    models.add(&Batch { users: 0..300, day: "2025-11-13", ..BATCH }).await;
    change(&db, "update user_daily set users = 320 where day = '2025-11-13'").await;
    assert_eq!(users(&service, RANGE).await, 320);
}

#[tokio::test]
async fn a_range_has_at_most_the_users_of_all_its_days() {
    let (service, models, db, _) = with_models().await;
    models.add(&Batch { users: 0..300, ..BATCH }).await;
    models.add(&Batch { users: 300..600, day: "2025-11-13", ..BATCH }).await;
    change(&db, "update user_daily set users = 290").await;
    assert_eq!(users(&service, RANGE).await, 580);
}

#[tokio::test]
async fn a_long_range_is_merged_day_by_day() {
    let (service, models, ..) = with_models().await;
    let first: chrono::NaiveDate = "2025-01-01".parse().expect("a day");
    for (number, day) in (0..90).zip(first.iter_days()) {
        models.add(&Batch { users: number * 10..number * 10 + 20, day: &day.to_string(), ..BATCH }).await;
    }
    assert_eq!(users(&service, "site_id=site-abc-123&from=2025-01-01&to=2025-12-31").await, 910);
    assert_eq!(users(&service, "site_id=site-abc-123&from=2025-01-02&to=2025-01-03").await, 30);
}

#[tokio::test]
async fn a_damaged_sketch_is_no_number() {
    let (service, models, db, _) = with_models().await;
    models.add(&BATCH).await;
    models.add(&Batch { day: "2025-11-13", ..BATCH }).await;
    change(&db, "update user_daily set sketch = set_byte(sketch, 13, 77) where day = '2025-11-13'").await;
    let answer = service.get(&format!("/stats?{RANGE}")).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.error(), "what is stored about the site is damaged and has to be rebuilt by an operator");
    assert_eq!(service.stats("site_id=site-abc-123").await["total_views"], 2);
}
