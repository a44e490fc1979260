use serde_json::{Value, json};

use crate::models::{BATCH, Batch};
use crate::service::{Service, with_models};

async fn page(service: &Service, query: &str) -> Value {
    let answer = service.get(&format!("/sites?{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.body);
    answer.json()
}

fn names(page: &Value) -> Vec<&str> {
    page["sites"].as_array().expect("sites").iter().map(|site| site["site_id"].as_str().expect("a site")).collect()
}

#[tokio::test]
async fn sites_are_answered_to_the_letter() {
    let (service, models, ..) = with_models().await;
    models.add(&Batch { paths: &[("/", 2), ("/a", 3)], users: 0..4, ..BATCH }).await;
    models.add(&Batch { day: "2024-02-29", users: 2..6, ..BATCH }).await;
    models.add(&Batch { day: "2025-11-30", event_type: "signup", ..BATCH }).await;
    models.add(&Batch { site_id: "another", event_type: "signup", ..BATCH }).await;
    let answer = service.get("/sites").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!(
        answer.body,
        concat!(
            r#"{"event_type":"page_view","sites":["#,
            r#"{"site_id":"another","last_day":null,"views":0,"unique_users":0},"#,
            r#"{"site_id":"site-abc-123","last_day":"2025-11-12","views":6,"unique_users":6}],"next_cursor":null}"#
        )
    );
    let signups = page(&service, "event_type=signup&prefix=site").await;
    let site = json!({"site_id": "site-abc-123", "last_day": "2025-11-30", "views": 1, "unique_users": 1});
    assert_eq!(signups["sites"], json!([site]));
}

#[tokio::test]
async fn without_events_there_are_no_sites() {
    let (service, ..) = with_models().await;
    assert_eq!(page(&service, "").await, json!({"event_type": "page_view", "sites": [], "next_cursor": null}));
}

#[tokio::test]
async fn pages_together_are_all_sites_in_byte_order() {
    let (service, models, ..) = with_models().await;
    let mut sites: Vec<_> = (0..40).map(|number| format!("site-{number}")).collect();
    sites.extend(["A", "a", "a.b", "a_b", "Z:z", "0"].map(str::to_owned));
    for (number, site_id) in sites.iter().enumerate() {
        for partition_id in [2, 3] {
            let views = i64::try_from(number).expect("few") + 1;
            models.add(&Batch { site_id, partition_id, paths: &[("/", views)], ..BATCH }).await;
        }
    }
    sites.sort();
    for limit in [1, 7, 45, 46, 47, 1_000] {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = page(&service, &format!("limit={limit}{cursor}")).await;
            found.extend(names(&page).into_iter().map(str::to_owned));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(found, sites, "{limit}");
    }
    for (number, site) in
        page(&service, "prefix=site-1&limit=2").await["sites"].as_array().expect("sites").iter().enumerate()
    {
        assert_eq!((&site["views"], &site["unique_users"]), (&json!([4, 22][number]), &json!(1)), "{site}");
    }
}

#[tokio::test]
async fn a_prefix_has_no_wildcards() {
    let (service, models, ..) = with_models().await;
    let sites = ["a", "a.b", "a_b", "ab", "b", "aZ", "a:b"];
    for site_id in sites {
        models.add(&Batch { site_id, ..BATCH }).await;
    }
    for (prefix, expected) in [
        ("a", &["a", "a.b", "a:b", "aZ", "a_b", "ab"][..]),
        ("a_", &["a_b"]),
        ("a.", &["a.b"]),
        ("a%25", &[]),
        ("%25", &[]),
        ("_", &[]),
        ("A", &[]),
        ("ab", &["ab"]),
        ("%C3%A9", &[]),
        ("%7F", &[]),
    ] {
        let page = page(&service, &format!("prefix={prefix}")).await;
        assert_eq!(names(&page), expected, "{prefix}");
    }
    let answer = service.get(&format!("/sites?prefix={}", "a".repeat(65))).await;
    assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("invalid_pattern")));
}

#[tokio::test]
async fn a_cursor_belongs_to_its_request() {
    let (service, models, ..) = with_models().await;
    for site_id in ["a", "b", "c"] {
        models.add(&Batch { site_id, ..BATCH }).await;
    }
    let cursor = page(&service, "limit=1").await["next_cursor"].as_str().expect("a cursor").to_owned();
    assert_eq!(names(&page(&service, &format!("limit=1&cursor={cursor}")).await), ["b"]);
    for query in [format!("prefix=a&cursor={cursor}"), format!("event_type=x&cursor={cursor}"), "cursor=x".to_owned()] {
        let answer = service.get(&format!("/sites?{query}")).await;
        assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("invalid_cursor")), "{query}");
    }
}
