use reqwest::Method;
use serde_json::json;

use crate::models::{BATCH, Batch};
use crate::service::{Answer, Service, with_models};

const TEXT: &str = "text/csv; charset=utf-8; header=present";

async fn with_accept(service: &Service, path: &str, accept: &str) -> Answer {
    service.send(Method::GET, path, &[("accept", accept)]).await
}

async fn with_two_sites() -> Service {
    let (service, models, ..) = with_models().await;
    models.add(&Batch { paths: &[("/a,b", 3), ("/\"q\"", 2), ("/é", 1)], users: 0..4, ..BATCH }).await;
    models.add(&Batch { site_id: "another", event_type: "signup", ..BATCH }).await;
    service
}

#[tokio::test]
async fn every_list_is_a_table_too() {
    let service = with_two_sites().await;
    for (path, rows) in [
        ("/paths?site_id=site-abc-123", "path,views\r\n\"/a,b\",3\r\n\"/\"\"q\"\"\",2\r\n/é,1\r\n"),
        ("/paths?site_id=silent", "path,views\r\n"),
        ("/events/types?site_id=site-abc-123", "event_type,views,unique_users\r\npage_view,6,4\r\n"),
        (
            "/sites?event_type=page_view",
            "site_id,last_day,views,unique_users\r\nanother,,0,0\r\nsite-abc-123,2025-11-12,6,4\r\n",
        ),
        (
            "/timeseries?site_id=site-abc-123&from=2025-11-12&to=2025-11-13",
            "first,last,views,unique_users\r\n2025-11-12,2025-11-12,6,4\r\n2025-11-13,2025-11-13,0,0\r\n",
        ),
        (
            "/timeseries?site_id=site-abc-123&from=2025-11-12&to=2025-11-13&interval=week&metrics=unique_users",
            "first,last,unique_users\r\n2025-11-12,2025-11-13,4\r\n",
        ),
    ] {
        for answer in [service.get(&format!("{path}&format=csv")).await, with_accept(&service, path, "text/csv").await]
        {
            assert_eq!((answer.status, answer.header("content-type")), (200, TEXT), "{path}");
            assert_eq!(answer.body, rows, "{path}");
        }
    }
}

#[tokio::test]
async fn the_parameter_wins_over_the_header() {
    let service = with_two_sites().await;
    let path = "/paths?site_id=site-abc-123";
    let answer = with_accept(&service, &format!("{path}&format=json"), "text/csv").await;
    assert_eq!(
        (answer.header("content-type"), answer.json()["paths"][0]["views"].as_u64()),
        ("application/json", Some(3))
    );
    assert_eq!(with_accept(&service, path, "text/html, */*;q=0.8").await.header("content-type"), "application/json");
    assert_eq!(
        with_accept(&service, &format!("{path}&format=csv"), "application/json").await.header("content-type"),
        TEXT
    );
    for format in ["", "CSV", "xml"] {
        let answer = service.get(&format!("{path}&format={format}")).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, "format must be json or csv"));
    }
    let stats = service.get("/stats?site_id=a&format=csv").await;
    assert_eq!((stats.status, &stats.json()["code"]), (400, &json!("unknown_parameter")));
}

#[tokio::test]
async fn caches_are_told_that_the_header_decides() {
    let service = with_two_sites().await;
    let answer = service.get("/paths?site_id=site-abc-123").await;
    let varies: Vec<_> = answer.headers.get_all("vary").iter().filter_map(|value| value.to_str().ok()).collect();
    assert!(varies.contains(&"accept"), "{varies:?}");
    let json = answer.header("etag").to_owned();
    let csv = service.get("/paths?site_id=site-abc-123&format=csv").await.header("etag").to_owned();
    assert_ne!(json, csv);
}

#[tokio::test]
async fn a_table_says_where_its_next_page_is() {
    let service = with_two_sites().await;
    let mut path = "/paths?limit=1&site_id=site-abc-123&format=csv".to_owned();
    let mut rows = Vec::new();
    loop {
        let answer = service.get(&path).await;
        rows.extend(answer.body.lines().skip(1).map(str::to_owned));
        let link = answer.header("link");
        let Some(next) = link.strip_prefix("<?").and_then(|link| link.strip_suffix(">; rel=\"next\"")) else { break };
        path = format!("/paths?{next}");
    }
    assert_eq!(rows, ["\"/a,b\",3", "\"/\"\"q\"\"\",2", "/é,1"]);
    assert!(service.get("/sites?limit=1").await.header("link").starts_with("<?limit=1&cursor="));
    assert_eq!(service.get("/sites").await.header("link"), "");
}

#[tokio::test]
async fn a_long_table_is_whole() {
    let (service, models, ..) = with_models().await;
    let paths: Vec<_> =
        (0..1_000).map(|number| (format!("/{number:04}{}", "x".repeat(2_000)), 1_000 - number)).collect();
    let batch: Vec<_> = paths.iter().map(|(path, views)| (path.as_str(), *views)).collect();
    models.add(&Batch { paths: &batch, ..BATCH }).await;
    let answer = service.get("/paths?site_id=site-abc-123&limit=1000&format=csv").await;
    let expected: Vec<_> = paths.iter().map(|(path, views)| format!("{path},{views}")).collect();
    assert_eq!(answer.body.lines().skip(1).collect::<Vec<_>>(), expected);
}
