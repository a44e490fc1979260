use chrono::{Datelike, NaiveDate, Utc};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::models::{BATCH, Batch, Models};
use crate::service::{Service, with_models};

/// A summary with other numbers than its days: a report that reads it is noticed. It has as many users as the days
/// of `two_days`, and three of them more.
async fn sum_up(db: &PgPool, month: &str, views: i64) {
    let statement = "
        insert into month_summary (generation_id, partition_id, site_id, event_type, month, views, top_paths, users_least,
            users_most, users_low, users_high, sketch)
        select generation_id, partition_id, site_id, event_type, $1, $2, json_build_array(json_build_array('/summed', $2)),
            34, 40, 34, 40, sketch
        from user_daily
        where day >= $1 and day < $1 + interval '1 month'
        order by day
        limit 1";
    let month: NaiveDate = month.parse().expect("a day");
    let summed = sqlx::query(statement).bind(month).bind(views).execute(db).await.expect("summed up");
    assert_eq!(summed.rows_affected(), 1);
}

/// Two days of October with 5 views in all, 31 users on the first one.
async fn two_days(models: &Models) {
    models.add(&Batch { day: "2025-10-02", paths: &[("/a", 3)], users: 0..31, ..BATCH }).await;
    models.add(&Batch { day: "2025-10-30", paths: &[("/b", 2)], users: 0..2, ..BATCH }).await;
}

async fn report(service: &Service, days: &str) -> Value {
    let mut stats = service.stats(&format!("site_id=site-abc-123&{days}")).await;
    let paths = stats["top_paths"].as_array().expect("paths").iter();
    let paths: Vec<_> = paths.map(|top| (top["path"].clone(), top["views"].clone())).collect();
    json!([stats["total_views"].take(), stats["unique_users"].take(), paths])
}

const OCTOBER: &str = "from=2025-10-01&to=2025-10-31";

#[tokio::test]
async fn a_month_is_read_from_its_summary_for_as_long_as_its_days_have_as_many_views() {
    let (service, models, db, _) = with_models().await;
    two_days(&models).await;
    let days = json!([5, 31, [["/a", 3], ["/b", 2]]]);
    assert_eq!(report(&service, OCTOBER).await, days);
    sum_up(&db, "2025-10-01", 5).await;
    assert_eq!(report(&service, OCTOBER).await, json!([5, 34, [["/summed", 5]]]));

    models.add(&Batch { day: "2025-10-30", paths: &[("/b", 2)], users: 40..41, ..BATCH }).await;
    assert_eq!(report(&service, OCTOBER).await, json!([7, 32, [["/b", 4], ["/a", 3]]]));
}

#[tokio::test]
async fn days_before_and_after_whole_months_are_added() {
    let (service, models, db, _) = with_models().await;
    two_days(&models).await;
    sum_up(&db, "2025-10-01", 5).await;
    for (day, views) in
        [("2025-09-01", 1_000), ("2025-09-16", 20), ("2025-11-01", 4), ("2025-11-10", 300), ("2025-11-11", 50_000)]
    {
        models.add(&Batch { day, paths: &[("/c", views)], users: 0..1, ..BATCH }).await;
    }
    for (range, other) in [
        ("from=2025-09-16&to=2025-11-10", 324),
        ("from=2025-09-17&to=2025-10-31", 0),
        ("from=2025-10-01&to=2025-11-09", 4),
        ("from=2025-09-30&to=2025-11-29", 50_304),
    ] {
        let mut expected = vec![json!(["/c", other]), json!(["/summed", 5])];
        expected.retain(|path| path[1] != 0);
        expected.sort_by_key(|path| std::cmp::Reverse(path[1].as_i64()));
        assert_eq!(report(&service, range).await, json!([5 + other, 34, expected]), "{range}");
    }
    sum_up(&db, "2025-11-01", 50_304).await;
    assert_eq!(report(&service, "from=2025-10-01").await, json!([50_309, 34, [["/summed", 50_309]]]));
    assert_eq!(report(&service, "from=2025-09-02").await, json!([50_329, 34, [["/summed", 50_309], ["/c", 20]]]));
    // Not all of October: its days it is, whatever they were summed up to.
    let some = json!([5, 31, [["/a", 3], ["/b", 2]]]);
    for range in ["from=2025-10-02&to=2025-10-31", "from=2025-10-01&to=2025-10-30"] {
        assert_eq!(report(&service, range).await, some, "{range}");
    }
}

#[tokio::test]
async fn no_summary_is_read_unless_each_month_has_one_that_is_right() {
    let (service, models, db, _) = with_models().await;
    two_days(&models).await;
    models.add(&Batch { day: "2025-08-05", paths: &[("/c", 9)], users: 0..1, ..BATCH }).await;
    sum_up(&db, "2025-10-01", 5).await;
    let days = json!([14, 31, [["/c", 9], ["/a", 3], ["/b", 2]]]);
    for range in ["from=2025-08-01&to=2025-10-31", "to=2025-10-31"] {
        assert_eq!(report(&service, range).await, days, "{range}");
    }
    sum_up(&db, "2025-08-01", 8).await;
    for range in ["from=2025-08-01&to=2025-10-31", "to=2025-10-31"] {
        assert_eq!(report(&service, range).await, days, "{range}");
    }
    assert_eq!(report(&service, OCTOBER).await, json!([5, 34, [["/summed", 5]]]));
    sqlx::query("update month_summary set views = 9 where month = '2025-08-01'").execute(&db).await.expect("changed");
    let summed = json!([14, 34, [["/summed", 13]]]);
    for range in ["from=2025-08-01&to=2025-10-31", "to=2025-10-31"] {
        assert_eq!(report(&service, range).await, summed, "{range}");
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "this month is not over, whatever month it is")]
async fn a_month_that_is_not_over_is_read_day_by_day() {
    let (service, models, db, _) = with_models().await;
    let today = Utc::now().date_naive();
    let first = today.with_day(1).expect("every month has one");
    models.add(&Batch { day: &first.to_string(), paths: &[("/a", 3)], users: 0..31, ..BATCH }).await;
    sum_up(&db, &first.to_string(), 3).await;
    for range in [format!("from={first}"), format!("from={first}&to={}", first + chrono::Days::new(40))] {
        assert_eq!(report(&service, &range).await, json!([3, 31, [["/a", 3]]]), "{range}");
    }
}

#[tokio::test]
async fn days_of_a_site_in_several_partitions_are_put_together_first() {
    let (service, models, db, _) = with_models().await;
    two_days(&models).await;
    sum_up(&db, "2025-10-01", 5).await;
    models.add(&Batch { day: "2025-11-01", partition_id: 3, paths: &[("/c", 9)], users: 0..1, ..BATCH }).await;
    let days = json!([14, 31, [["/c", 9], ["/a", 3], ["/b", 2]]]);
    assert_eq!(report(&service, "from=2025-10-01&to=2025-11-01").await, days);
}

#[tokio::test]
async fn paths_that_do_not_follow_from_summaries_are_looked_for_day_by_day() {
    let (service, models, db, _) = with_models().await;
    let paths: Vec<_> = (10..40).map(|number| (format!("/{number}"), 1)).collect();
    let paths: Vec<_> = paths.iter().map(|(path, views)| (path.as_str(), *views)).collect();
    for day in ["2025-09-05", "2025-10-05"] {
        models.add(&Batch { day, paths: &paths, ..BATCH }).await;
        sum_up(&db, &format!("{}-01", &day[..7]), 30).await;
    }
    let listed = "update month_summary set top_paths = view_daily.top_paths from view_daily
        where month = date_trunc('month', day::timestamp)";
    assert_eq!(sqlx::query(listed).execute(&db).await.expect("changed").rows_affected(), 2);
    let top = report(&service, "from=2025-09-01&to=2025-10-31").await[2].take();
    assert_eq!(top, json!([["/10", 2], ["/11", 2], ["/12", 2]]));
}

#[tokio::test]
async fn bounds_of_users_are_those_of_the_days() {
    let (service, models, db, _) = with_models().await;
    models.add(&Batch { day: "2025-10-02", users: 0..30_000, ..BATCH }).await;
    sum_up(&db, "2025-10-01", 1).await;
    let users =
        "update month_summary set users_least = 20000, users_most = 20500, users_low = 20400, users_high = 20450";
    sqlx::query(users).execute(&db).await.expect("changed");
    let stats = service.stats(&format!("site_id=site-abc-123&{OCTOBER}&meta=true")).await;
    assert_eq!(stats["unique_users"], 20_500);
    let error = &stats["meta"]["unique_users_error"];
    assert_eq!((&error["low"], &error["high"]), (&json!(20_400), &json!(20_450)), "{error}");
}

#[tokio::test]
async fn a_time_series_by_month_has_the_users_of_summaries() {
    let (service, models, db, _) = with_models().await;
    two_days(&models).await;
    models.add(&Batch { day: "2025-11-02", users: 0..4, ..BATCH }).await;
    models.add(&Batch { day: "2025-11-03", users: 3..7, ..BATCH }).await;
    sum_up(&db, "2025-10-01", 5).await;
    let series = async |interval: &str| {
        let path = format!("/timeseries?site_id=site-abc-123&from=2025-10-01&to=2025-11-30&interval={interval}");
        let buckets = service.get(&path).await.json()["buckets"].take();
        let buckets = buckets.as_array().expect("buckets").iter();
        let counts = buckets.map(|bucket| (bucket["views"].as_u64(), bucket["unique_users"].as_u64()));
        counts.filter(|counts| *counts != (Some(0), Some(0))).collect::<Vec<_>>()
    };
    let counts = |counts: [(u64, u64); 2]| counts.map(|(views, users)| (Some(views), Some(users))).to_vec();
    assert_eq!(series("month").await, counts([(5, 34), (2, 7)]));
    assert_eq!(series("week").await.len(), 3);
    // It stands for its days: they do not count beside it.
    let fewer = "update month_summary set users_least = 20, users_most = 30";
    sqlx::query(fewer).execute(&db).await.expect("changed");
    assert_eq!(series("month").await, counts([(5, 30), (2, 7)]));
    models.add(&Batch { day: "2025-10-30", paths: &[("/b", 2)], users: 40..41, ..BATCH }).await;
    assert_eq!(series("month").await, counts([(7, 32), (2, 7)]));
}

#[tokio::test]
async fn a_time_series_reads_no_summary_of_a_month_that_it_has_a_part_of() {
    let (service, models, db, _) = with_models().await;
    two_days(&models).await;
    let series = async |from: &str, to: &str| {
        let path = format!("/timeseries?site_id=site-abc-123&from={from}&to={to}&interval=month");
        let answer = service.get(&path).await;
        let bucket = answer.json()["buckets"][0].take();
        (answer.header("etag").to_owned(), bucket["views"].as_u64(), bucket["unique_users"].as_u64())
    };
    // Late events: behind the middle of the month are as many views now as the summary was made of.
    sum_up(&db, "2025-10-01", 5).await;
    models.add(&Batch { day: "2025-10-25", paths: &[("/c", 3)], users: 0..0, ..BATCH }).await;
    models.add(&Batch { day: "2025-10-03", paths: &[("/c", 2)], users: 0..0, ..BATCH }).await;
    let ranges = [("2025-10-20", "2025-10-31"), ("2025-10-01", "2025-10-20"), ("2025-10-25", "2025-11-15")];
    let counts = [(5, 2), (5, 31), (5, 2)].map(|(views, users)| (Some(views), Some(users)));
    let mut tags = Vec::new();
    for ((from, to), expected) in ranges.into_iter().zip(counts) {
        let (tag, views, users) = series(from, to).await;
        assert_eq!((views, users), expected, "{from} to {to}");
        tags.push(tag);
    }
    // The same answers under the same tags, whatever is summed up, and to what.
    for views in [10, 5] {
        sqlx::query("update month_summary set views = $1").bind(views).execute(&db).await.expect("summed up");
        for (((from, to), expected), tag) in ranges.into_iter().zip(counts).zip(&tags) {
            let (now, views, users) = series(from, to).await;
            assert_eq!((views, users), expected, "{from} to {to}");
            assert_eq!(now, *tag, "{from} to {to}");
        }
    }
    sqlx::query("update month_summary set views = 10").execute(&db).await.expect("summed up");
    let (_, views, users) = series("2025-10-01", "2025-10-31").await;
    assert_eq!((views, users), (Some(10), Some(34)));
}

#[tokio::test]
async fn a_damaged_summary_is_no_number() {
    let (service, models, db, _) = with_models().await;
    two_days(&models).await;
    sum_up(&db, "2025-10-01", 5).await;
    for damage in ["sketch = set_byte(sketch, 13, 77)", "top_paths = '{}'", "users_low = -1"] {
        let mut tx = db.begin().await.expect("a transaction");
        let statement = sqlx::AssertSqlSafe(format!("update month_summary set {damage}"));
        sqlx::query(statement).execute(&mut *tx).await.expect("damaged");
        tx.commit().await.expect("committed");
        let answer = service.get(&format!("/stats?site_id=site-abc-123&{OCTOBER}")).await;
        assert_eq!(answer.status, 503, "{damage}: {}", answer.body);
        sqlx::query("delete from month_summary").execute(&db).await.expect("deleted");
        sum_up(&db, "2025-10-01", 5).await;
    }
}
