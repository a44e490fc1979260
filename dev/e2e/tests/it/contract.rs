use serde_json::json;
use testkit::failure::TestResult;
use testkit::stack::{DATABASE, Stack};

/// The example of the documentation, posted and read.
#[tokio::test]
async fn the_documented_examples_hold_to_the_letter() -> TestResult {
    let stack = Stack::servers().await?;
    let _ingest = stack.ingest(&[]).await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    let _query = stack.query().await?;

    let event = r#"{"site_id":"site-abc-123","event_type":"page_view","path":"/pricing","user_id":"user-xyz-789","timestamp":"2025-11-12T19:30:01Z"}"#;
    let answer = stack.ingest_client.post_with("/event", ("content-type", "application/json"), event).await?;
    assert_eq!(answer.status, 200);
    let receipt = answer.json()["receipt"].as_str().expect("a receipt").to_owned();
    assert_eq!(answer.json(), json!({"success": true, "message": "Event queued", "receipt": receipt}));
    assert_eq!(receipt, "2-1-0", "partition 2 of 4, its first envelope, the first line of it");

    stack.drained(DATABASE).await?;
    let answer = stack.query_client.get("/stats?site_id=site-abc-123&date=2025-11-12").await?;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.text,
        r#"{"site_id":"site-abc-123","date":"2025-11-12","total_views":1,"unique_users":1,"top_paths":[{"path":"/pricing","views":1}]}"#
    );
    let answer = stack.query_client.get("/stats?site_id=site-abc-123").await?;
    assert_eq!(
        answer.text,
        r#"{"site_id":"site-abc-123","total_views":1,"unique_users":1,"top_paths":[{"path":"/pricing","views":1}]}"#
    );

    let answer = stack.query_client.get("/stats").await?;
    assert_eq!((answer.status, answer.error().as_str()), (400, "site_id is required"));
    let answer = stack.ingest_client.post("/event", event.replace("\"site_id\":\"site-abc-123\",", "")).await?;
    assert_eq!((answer.status, answer.error().as_str()), (400, "site_id is required"));
    Ok(())
}

/// Interfaces describe themselves, and any page may send events.
#[tokio::test]
async fn both_services_have_api_docs_and_ingest_is_open_to_all_origins() -> TestResult {
    let stack = Stack::servers().await?;
    let _ingest = stack.ingest(&[]).await?;
    let _query = stack.query().await?;
    for (client, path) in [(&stack.ingest_client, "/event"), (&stack.query_client, "/stats")] {
        let description = client.get("/api-docs/openapi.json").await?;
        assert!(description.json()["paths"][path].is_object(), "{path} is described");
        let page = client.get("/api-docs/").await?;
        assert_eq!(page.status, 200);
        assert!(page.text.contains("swagger-ui"));
        let policy = page.headers.get("content-security-policy").and_then(|policy| policy.to_str().ok());
        assert!(policy.is_some_and(|policy| policy.contains("frame-ancestors 'none'")), "{policy:?}");
        assert_eq!(client.get("/healthz").await?.status, 200);
        assert_eq!(client.get("/metrics").await?.status, 200);
        assert_eq!(client.get("/nothing").await?.status, 404);
    }
    // What `sendBeacon` does: text/plain, from another origin, without asking first.
    let event = r#"{"site_id":"a","event_type":"page_view","path":"/","timestamp":"2025-11-12T19:30:01Z"}"#;
    let answer = stack.ingest_client.post_with("/event", ("origin", "https://shop.example"), event).await?;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["access-control-allow-origin"], "https://shop.example");
    Ok(())
}
