use reqwest::Method;
use sqlx::PgPool;

use crate::models::{BATCH, Batch, Models};
use crate::service::{Answer, Service, with_models};

/// Requests of all reports, of a past day.
const REPORTS: [&str; 6] = [
    "/stats?site_id=site-abc-123&date=2025-11-12",
    "/stats?site_id=site-abc-123&date=2025-11-12&include=referrers&compare=previous",
    "/timeseries?site_id=site-abc-123&from=2025-11-12&to=2025-11-12",
    "/paths?site_id=site-abc-123&date=2025-11-12",
    "/events/types?site_id=site-abc-123&date=2025-11-12",
    "/sites?limit=5",
];

async fn ask_again(service: &Service, path: &str, etag: &str) -> Answer {
    service.send(Method::GET, path, &[("if-none-match", etag)]).await
}

async fn with_counted() -> (Service, Models, PgPool) {
    let (service, models, db, _) = with_models().await;
    sqlx::query("update generation set fold_version = 3").execute(&db).await.expect("another version");
    models.add(&Batch { sequence: Some(7), ..BATCH }).await;
    (service, models, db)
}

#[tokio::test]
async fn what_a_client_has_is_not_read_again() {
    let (service, models, db) = with_counted().await;
    for path in REPORTS {
        let answer = service.get(path).await;
        let etag = answer.header("etag").to_owned();
        assert_eq!((answer.status, etag.is_empty()), (200, false), "{path}: {}", answer.body);
        // A request that reads a report now waits.
        let mut tx = db.begin().await.expect("a transaction");
        for table in ["view_daily", "view_total", "path_daily", "path_total", "user_daily", "user_total"] {
            let lock = sqlx::AssertSqlSafe(format!("lock table {table} in access exclusive mode"));
            sqlx::query(lock).execute(&mut *tx).await.expect("locked");
        }
        for known in [etag.clone(), format!("\"other\", W/{etag}"), "*".to_owned()] {
            let again = ask_again(&service, path, &known).await;
            assert_eq!((again.status, again.body.as_str()), (304, ""), "{path} {known}");
            for header in ["etag", "cache-control"] {
                assert_eq!(again.header(header), answer.header(header), "{path}");
            }
        }
        tx.rollback().await.expect("given up");
        let other = ask_again(&service, path, "\"other\"").await;
        assert_eq!((other.status, &other.body), (200, &answer.body), "{path}");
    }
    models.add(&Batch { sequence: Some(8), ..BATCH }).await;
}

#[tokio::test]
async fn whatever_can_change_an_answer_changes_its_name() {
    let (service, models, db) = with_counted().await;
    let names = async || {
        let mut names = Vec::new();
        for path in REPORTS {
            names.push(service.get(path).await.header("etag").to_owned());
        }
        names
    };
    let mut seen = vec![names().await];
    assert_eq!(names().await, seen[0], "nothing has changed");
    // A batch of this partition, one of another, and parked events that are counted after all.
    models.add(&Batch { sequence: Some(8), ..BATCH }).await;
    seen.push(names().await);
    models.add(&Batch { partition_id: 3, sequence: Some(1), ..BATCH }).await;
    seen.push(names().await);
    sqlx::query("update checkpoint set epoch = epoch + 1 where partition_id = 3").execute(&db).await.expect("fenced");
    seen.push(names().await);
    // What one partition lost, another has gained: the sums are the same.
    let swap = "update checkpoint set stream_sequence = stream_sequence + case partition_id when 3 then 1 else -1 end";
    sqlx::query(swap).execute(&db).await.expect("moved");
    seen.push(names().await);
    let next = Models::create(&db, "building").await;
    sqlx::query("update generation set fold_version = 3").execute(&db).await.expect("another version");
    next.add(&Batch { sequence: Some(8), ..BATCH }).await;
    next.activate().await;
    seen.push(names().await);
    for (place, path) in REPORTS.iter().enumerate() {
        let names: std::collections::BTreeSet<_> = seen.iter().map(|names| &names[place]).collect();
        assert_eq!(names.len(), seen.len(), "{path}: {names:?}");
    }
    let changed = ask_again(&service, REPORTS[0], &seen[0][0]).await;
    assert_eq!(changed.status, 200);
}

#[tokio::test]
async fn only_days_that_are_over_are_kept_without_asking() {
    let (service, _, db) = with_counted().await;
    let day = async |days: i32| {
        let day = sqlx::query_scalar("select ((now() at time zone 'utc')::date + $1)::text").bind(days);
        let day: String = day.fetch_one(&db).await.expect("a day");
        day
    };
    let (yesterday, today, tomorrow) = (day(-1).await, day(0).await, day(1).await);
    let (kept, asked) = ("max-age=60, must-revalidate", "no-cache");
    for (path, expected) in [
        ("/sites?limit=1".to_owned(), asked),
        ("/stats?site_id=a".to_owned(), asked),
        ("/stats?site_id=a&from=2025-11-12".to_owned(), asked),
        (format!("/stats?site_id=a&date={yesterday}"), kept),
        (format!("/stats?site_id=a&to={yesterday}"), kept),
        (format!("/stats?site_id=a&date={today}"), asked),
        (format!("/stats?site_id=a&date={tomorrow}"), asked),
        (format!("/paths?site_id=a&from=2025-11-12&to={yesterday}"), kept),
        (format!("/paths?site_id=a&from=2025-11-12&to={today}"), asked),
        (format!("/events/types?site_id=a&date={yesterday}"), kept),
        ("/events/types?site_id=a".to_owned(), asked),
        (format!("/timeseries?site_id=a&from={yesterday}&to={yesterday}"), kept),
        (format!("/timeseries?site_id=a&from={yesterday}&to={today}"), asked),
    ] {
        assert_eq!(service.get(&path).await.header("cache-control"), expected, "{path}");
    }
}

#[tokio::test]
async fn what_is_another_answer_each_time_has_no_name() {
    let (service, ..) = with_counted().await;
    for more in ["meta=true", "after=2-7-0"] {
        let path = format!("/stats?site_id=site-abc-123&{more}");
        let answer = ask_again(&service, &path, "*").await;
        assert_eq!(
            (answer.status, answer.header("etag"), answer.header("cache-control")),
            (200, "", "no-store"),
            "{more}"
        );
    }
}

#[tokio::test]
async fn what_is_wrong_or_away_is_not_kept() {
    let (service, ..) = with_counted().await;
    for path in ["/stats", "/paths?site_id=a&limit=0", "/nothing"] {
        let answer = ask_again(&service, path, "*").await;
        assert!(answer.status >= 400 && answer.header("etag").is_empty(), "{path}: {answer:?}");
    }
}
