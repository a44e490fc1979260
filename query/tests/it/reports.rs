use serde_json::json;

use crate::models::{BATCH, Batch};
use crate::service::with_models;

/// The documented example, and more paths than it shows.
const EXAMPLE: Batch<'static> =
    Batch { paths: &[("/pricing", 700), ("/blog/post-1", 500), ("/", 250)], users: 0..212, ..BATCH };

#[tokio::test]
async fn a_day_is_answered_to_the_letter() {
    let (service, models, ..) = with_models().await;
    models.add(&EXAMPLE).await;
    models.add(&Batch { day: "2025-11-13", ..EXAMPLE }).await;
    let answer = service.get("/stats?site_id=site-abc-123&date=2025-11-12").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!(
        answer.body,
        concat!(
            r#"{"site_id":"site-abc-123","date":"2025-11-12","total_views":1450,"unique_users":212,"#,
            r#""top_paths":[{"path":"/pricing","views":700},{"path":"/blog/post-1","views":500},"#,
            r#"{"path":"/","views":250}]}"#
        )
    );
}

#[tokio::test]
async fn all_time_has_no_date() {
    let (service, models, ..) = with_models().await;
    models.add(&EXAMPLE).await;
    models.add(&Batch { day: "1999-12-31", ..EXAMPLE }).await;
    let answer = service.get("/stats?site_id=site-abc-123").await;
    assert_eq!(
        answer.body,
        concat!(
            r#"{"site_id":"site-abc-123","total_views":2900,"unique_users":212,"#,
            r#""top_paths":[{"path":"/pricing","views":1400},{"path":"/blog/post-1","views":1000},"#,
            r#"{"path":"/","views":500}]}"#
        )
    );
}

#[tokio::test]
async fn an_unknown_site_has_zeros() {
    let (service, models, ..) = with_models().await;
    models.add(&EXAMPLE).await;
    let zeros = r#""total_views":0,"unique_users":0,"top_paths":[]}"#;
    let body = async |query: &str| service.get(&format!("/stats?{query}")).await.body;
    assert_eq!(body("site_id=silent").await, format!(r#"{{"site_id":"silent",{zeros}"#));
    let day = format!(r#"{{"site_id":"site-abc-123","date":"2025-11-11",{zeros}"#);
    assert_eq!(body("site_id=site-abc-123&date=2025-11-11").await, day);
    assert_eq!(body("site_id=silent&from=2025-11-11").await, format!(r#"{{"site_id":"silent",{zeros}"#));
}

#[tokio::test]
async fn equal_paths_are_in_byte_order() {
    let (service, models, ..) = with_models().await;
    models
        .add(&Batch { paths: &[("/é", 5), ("/a", 5), ("/Z", 5), ("/a-b", 5), ("/a/b", 5), ("/z", 6)], ..BATCH })
        .await;
    for days in ["", "&date=2025-11-12", "&from=2025-11-01&to=2025-11-30"] {
        let stats = service.stats(&format!("site_id=site-abc-123&limit=9{days}")).await;
        let paths: Vec<_> = stats["top_paths"].as_array().expect("paths").iter().map(|top| &top["path"]).collect();
        assert_eq!(paths, ["/z", "/Z", "/a", "/a-b", "/a/b", "/é"], "{days}");
    }
}

#[tokio::test]
async fn a_limit_takes_the_best_paths() {
    let (service, models, ..) = with_models().await;
    let paths: Vec<_> = (0..1_200).map(|number| (format!("/{number:04}"), 1 + number % 7)).collect();
    let paths: Vec<_> = paths.iter().map(|(path, views)| (path.as_str(), *views)).collect();
    models.add(&Batch { paths: &paths, ..BATCH }).await;
    for (limit, count) in [("", 3), ("&limit=1", 1), ("&limit=7", 7), ("&limit=1000", 1_000)] {
        for days in ["", "&date=2025-11-12"] {
            let stats = service.stats(&format!("site_id=site-abc-123{limit}{days}")).await;
            let top = stats["top_paths"].as_array().expect("paths");
            assert_eq!(top.len(), count);
            assert_eq!(top[0], json!({"path": "/0006", "views": 7}));
            assert_eq!(stats["total_views"], paths.iter().map(|(_, views)| views).sum::<i64>());
        }
    }
}

#[tokio::test]
async fn only_the_events_of_a_type_count() {
    let (service, models, ..) = with_models().await;
    models.add(&EXAMPLE).await;
    models.add(&Batch { event_type: "signup", paths: &[("/join", 4)], users: 0..3, ..BATCH }).await;
    for days in ["", "&date=2025-11-12", "&to=2025-11-12"] {
        let mut stats = service.stats(&format!("site_id=site-abc-123&event_type=signup{days}")).await;
        stats.as_object_mut().expect("an object").remove("date");
        let paths = json!([{"path": "/join", "views": 4}]);
        let expected = json!({"site_id": "site-abc-123", "total_views": 4, "unique_users": 3, "top_paths": paths});
        assert_eq!(stats, expected, "{days}");
    }
    assert_eq!(service.stats("site_id=site-abc-123&event_type=page_view").await["total_views"], 1_450);
}

#[tokio::test]
async fn other_sites_do_not_count() {
    let (service, models, ..) = with_models().await;
    models.add(&EXAMPLE).await;
    models.add(&Batch { site_id: "site-abc-1234", ..EXAMPLE }).await;
    models.add(&Batch { site_id: "SITE-ABC-123", ..EXAMPLE }).await;
    assert_eq!(service.stats("site_id=site-abc-123").await["total_views"], 1_450);
    assert_eq!(service.stats("site_id=SITE%2DABC-123&date=2025-11-12").await["total_views"], 1_450);
}

#[tokio::test]
async fn days_of_a_range_are_inclusive_and_either_may_be_absent() {
    let (service, models, ..) = with_models().await;
    for (day, views) in [("1970-01-01", 1), ("2025-11-11", 10), ("2025-11-12", 100), ("2025-11-13", 1_000)] {
        models.add(&Batch { day, paths: &[("/", views)], ..BATCH }).await;
    }
    for (days, views) in [
        ("from=2025-11-12&to=2025-11-12", 100),
        ("from=2025-11-11&to=2025-11-12", 110),
        ("from=2025-11-12", 1_100),
        ("to=2025-11-11", 11),
        ("to=2025-11-13", 1_111),
        ("from=0000-01-01&to=9999-12-31", 1_111),
        ("from=2025-11-14", 0),
    ] {
        let stats = service.stats(&format!("site_id=site-abc-123&{days}")).await;
        assert_eq!(stats["total_views"], views, "{days}");
        let keys: Vec<_> = stats.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(keys.len(), 4, "{keys:?}");
        assert!(!keys.contains(&"date"), "{keys:?}");
    }
}

#[tokio::test]
async fn partitions_are_added_up() {
    let (service, models, ..) = with_models().await;
    models.add(&Batch { paths: &[("/a", 3), ("/b", 2)], users: 0..5, ..BATCH }).await;
    models.add(&Batch { partition_id: 7, paths: &[("/b", 2), ("/c", 1)], users: 3..9, ..BATCH }).await;
    for days in ["", "&date=2025-11-12", "&from=2025-11-12&to=2025-11-12"] {
        let stats = service.stats(&format!("site_id=site-abc-123{days}")).await;
        let paths = json!([{"path": "/b", "views": 4}, {"path": "/a", "views": 3}, {"path": "/c", "views": 1}]);
        assert_eq!((&stats["total_views"], &stats["unique_users"]), (&json!(8), &json!(9)), "{days}");
        assert_eq!(stats["top_paths"], paths, "{days}");
    }
}
