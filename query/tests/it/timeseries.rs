use serde_json::{Value, json};

use crate::models::{BATCH, Batch};
use crate::service::{Service, with_models};

async fn timeseries(service: &Service, query: &str) -> Value {
    let answer = service.get(&format!("/timeseries?site_id=site-abc-123&{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.body);
    answer.json()
}

fn bucket(first: &str, last: &str, views: u64, unique_users: u64) -> Value {
    json!({"first": first, "last": last, "views": views, "unique_users": unique_users})
}

#[tokio::test]
async fn a_time_series_is_answered_to_the_letter() {
    let (service, models, ..) = with_models().await;
    models.add(&Batch { paths: &[("/", 5)], users: 0..3, ..BATCH }).await;
    models.add(&Batch { event_type: "signup", ..BATCH }).await;
    models.add(&Batch { site_id: "other", ..BATCH }).await;
    let answer = service.get("/timeseries?site_id=site-abc-123&from=2025-11-11&to=2025-11-12").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!(
        answer.body,
        concat!(
            r#"{"site_id":"site-abc-123","event_type":"page_view","interval":"day","buckets":["#,
            r#"{"first":"2025-11-11","last":"2025-11-11","views":0,"unique_users":0},"#,
            r#"{"first":"2025-11-12","last":"2025-11-12","views":5,"unique_users":3}]}"#
        )
    );
}

#[tokio::test]
async fn every_bucket_is_there_and_cut_to_the_range() {
    let (service, models, ..) = with_models().await;
    for (day, views) in [("2025-10-31", 1), ("2025-11-01", 10), ("2025-11-09", 100), ("2025-11-19", 1_000)] {
        models.add(&Batch { day, paths: &[("/", views)], ..BATCH }).await;
    }
    let weeks = timeseries(&service, "from=2025-11-01&to=2025-11-19&interval=week").await;
    let expected = [
        bucket("2025-11-01", "2025-11-02", 10, 1),
        bucket("2025-11-03", "2025-11-09", 100, 1),
        bucket("2025-11-10", "2025-11-16", 0, 0),
        bucket("2025-11-17", "2025-11-19", 1_000, 1),
    ];
    assert_eq!(weeks["buckets"], json!(expected));
    let months = timeseries(&service, "from=2025-10-31&to=2025-12-01&interval=month").await;
    let expected = [
        bucket("2025-10-31", "2025-10-31", 1, 1),
        bucket("2025-11-01", "2025-11-30", 1_110, 1),
        bucket("2025-12-01", "2025-12-01", 0, 0),
    ];
    assert_eq!(months["buckets"], json!(expected));
    let silent = service.get("/timeseries?site_id=silent&from=2025-11-12&to=2025-11-12").await.json();
    assert_eq!(silent["buckets"], json!([bucket("2025-11-12", "2025-11-12", 0, 0)]));
}

/// Days with partitions, users who come again, and numbers beyond what is listed.
async fn with_history() -> Service {
    let (service, models, ..) = with_models().await;
    let first: chrono::NaiveDate = "2024-12-20".parse().expect("a day");
    for (number, day) in (0..60).zip(first.iter_days()).filter(|(number, _)| number % 7 != 3) {
        let (day, views) = (day.to_string(), i64::from(number) + 1);
        let users = number * 10..number * 10 + 40;
        models.add(&Batch { day: &day, paths: &[("/", views), ("/a", 1)], users, ..BATCH }).await;
        if number % 5 == 0 {
            models.add(&Batch { day: &day, partition_id: 3, users: 0..7_000, ..BATCH }).await;
        }
    }
    service
}

#[tokio::test]
async fn a_bucket_says_what_a_report_of_its_days_says() {
    let service = with_history().await;
    for interval in ["day", "week", "month"] {
        let series = timeseries(&service, &format!("from=2024-12-18&to=2025-02-20&interval={interval}")).await;
        for bucket in series["buckets"].as_array().expect("buckets") {
            let days = [&bucket["first"], &bucket["last"]].map(|day| day.as_str().expect("a day"));
            let stats = service.stats(&format!("site_id=site-abc-123&from={}&to={}", days[0], days[1])).await;
            assert_eq!(
                (&bucket["views"], &bucket["unique_users"]),
                (&stats["total_views"], &stats["unique_users"]),
                "{interval} {bucket}"
            );
        }
    }
}

#[tokio::test]
async fn who_comes_on_several_days_is_one_user_of_the_week() {
    let (service, models, db, _) = with_models().await;
    models.add(&Batch { users: 0..300, ..BATCH }).await;
    models.add(&Batch { users: 200..500, day: "2025-11-13", ..BATCH }).await;
    models.add(&Batch { users: 0..10, day: "2025-11-17", ..BATCH }).await;
    let users = async || {
        let series = timeseries(&service, "from=2025-11-10&to=2025-11-23&interval=week").await;
        [0, 1].map(|week| series["buckets"][week]["unique_users"].as_u64().expect("a number"))
    };
    assert_eq!(users().await, [500, 10]);
    // What is known of the days bounds it, and the only row of a week is not looked into.
    sqlx::query("update user_daily set users = 20 where day < '2025-11-17'").execute(&db).await.expect("changed");
    let only = "update user_daily set sketch = 'no sketch' where day = '2025-11-17'";
    sqlx::query(only).execute(&db).await.expect("changed");
    assert_eq!(users().await, [40, 10]);
}

#[tokio::test]
async fn only_what_is_asked_for_is_counted() {
    let (service, models, db, _) = with_models().await;
    models.add(&Batch { paths: &[("/", 5)], users: 0..3, ..BATCH }).await;
    models.add(&Batch { event_type: "signup", users: 0..2, ..BATCH }).await;
    let first = async |query: &str| {
        timeseries(&service, &format!("from=2025-11-12&to=2025-11-12{query}")).await["buckets"][0].take()
    };
    let (day, users) = ("2025-11-12", "&metrics=unique_users");
    assert_eq!(first(users).await, json!({"first": day, "last": day, "unique_users": 3}));
    assert_eq!(first("&metrics=unique_users,views").await, bucket(day, day, 5, 3));
    assert_eq!(first("&event_type=signup").await, bucket(day, day, 1, 2));
    sqlx::query("update user_daily set users = -1").execute(&db).await.expect("damaged");
    assert_eq!(first("&metrics=views").await, json!({"first": day, "last": day, "views": 5}));
}

#[tokio::test]
async fn what_is_no_time_series_is_refused() {
    let (service, ..) = with_models().await;
    let metrics = "metrics must be views, unique_users, or both, separated by a comma";
    for (query, code, error) in [
        ("", "missing_parameter", "site_id is required"),
        ("site_id=a", "missing_parameter", "from and to are required"),
        ("site_id=a&from=2025-11-12", "missing_parameter", "from and to are required"),
        ("site_id=a&to=2025-11-12", "missing_parameter", "from and to are required"),
        ("site_id=a&from=2025-11-13&to=2025-11-12", "invalid_range", "from must not be later than to"),
        (
            "site_id=a&from=2015-01-01&to=2025-01-08",
            "range_too_long",
            "from and to must be at most 3660 days apart, both included",
        ),
        (
            "site_id=a&from=2025-11-12&to=2025-11-12&interval=hour",
            "invalid_choice",
            "interval must be day, week or month",
        ),
        ("site_id=a&from=2025-11-12&to=2025-11-12&metrics=", "invalid_choice", metrics),
        ("site_id=a&from=2025-11-12&to=2025-11-12&metrics=views,views", "invalid_choice", metrics),
        ("site_id=a&from=2025-11-12&to=2025-11-12&metrics=views,", "invalid_choice", metrics),
        ("site_id=a&from=2025-11-12&to=2025-11-12&format=xml", "invalid_choice", "format must be json or csv"),
        (
            "site_id=a&date=2025-11-12",
            "unknown_parameter",
            "the parameter \"date\" is unknown; a report takes site_id, from, to, event_type, interval, metrics and format",
        ),
    ] {
        let answer = service.get(&format!("/timeseries?{query}")).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, error), "{query}");
        assert_eq!(answer.json()["code"], code, "{query}");
    }
    let longest = service.get("/timeseries?site_id=a&from=2015-01-01&to=2025-01-07").await.json();
    assert_eq!(longest["buckets"].as_array().map(Vec::len), Some(3_660));
    let latest = service.get("/timeseries?site_id=a&from=9999-12-01&to=9999-12-31&interval=month").await.json();
    assert_eq!(latest["buckets"], json!([bucket("9999-12-01", "9999-12-31", 0, 0)]));
    assert_eq!(service.get("/timeseries?site_id=a&from=0000-01-01&to=0000-01-31&interval=week").await.status, 200);
}
