use chrono::{Days, NaiveDate};
use serde_json::json;
use testkit::failure::TestResult;
use testkit::stack::{DATABASE, Stack};

/// Events of the hostile site, each with a type, a day, a path, a user and a host of its own.
const EVENTS: usize = 12_000;

/// Events of one request: 2 MB.
const REQUEST_EVENTS: usize = 1_000;

/// Days between two of its events: over all of them two thousand years.
const DAYS_APART: u64 = 61;

fn hostile(number: usize) -> String {
    let day = NaiveDate::from_ymd_opt(1, 1, 1).expect("a day") + Days::new(number as u64 * DAYS_APART);
    json!({
        "site_id": "hostile", "event_type": format!("type-{number}"), "path": format!("/{number}/{}", "f".repeat(2_000)),
        "timestamp": format!("{day}T12:00:00Z"), "user_id": number.to_string(),
        "referrer": format!("https://{number}.example/"),
    })
    .to_string()
}

#[tokio::test]
async fn a_site_that_invents_names_has_a_bounded_number_of_rows() -> TestResult {
    let stack = Stack::servers().await?;
    let _ingest = stack.ingest(&[("PARTITIONS", "1")]).await?;
    let projector = stack.projector(DATABASE, &[]).await?;
    let _query = stack.query().await?;
    for first in (0..EVENTS).step_by(REQUEST_EVENTS) {
        let body = (first..first + REQUEST_EVENTS).map(hostile).collect::<Vec<_>>().join("\n");
        assert_eq!(stack.ingest_client.post("/events", body).await?.status, 200);
    }
    let other = r#"{"site_id":"other","event_type":"page_view","path":"/","timestamp":"2025-11-12T12:00:00Z"}"#;
    assert_eq!(stack.ingest_client.post("/event", other).await?.status, 200);
    stack.drained(DATABASE).await?;

    let report = stack.query_client.get("/stats?site_id=other").await?.json();
    assert_eq!(report["total_views"], json!(1), "sites of its partition are counted");
    let rows = "select count(*), count(distinct date_trunc('month', day)),
                    (select count(*) from view_total where site_id = 'hostile'),
                    (select sum(views)::bigint from view_total where site_id = 'hostile')
                from view_daily where site_id = 'hostile'";
    let rows: (i64, i64, i64, i64) = sqlx::query_as(rows).fetch_one(&stack.database(DATABASE)?).await?;
    assert_eq!((rows.1, rows.2), (240, 1_000), "months and types: {rows:?}");
    assert_eq!(usize::try_from(rows.3)?, EVENTS, "no event is lost: {rows:?}");
    assert!(rows.0 < 500, "{} rows of days", rows.0);

    let types = stack.query_client.get("/events/types?site_id=hostile").await?.json();
    let types = types["event_types"].as_array().expect("types");
    assert_eq!(
        (types.len(), &types[0]["event_type"], &types[0]["views"]),
        (1_000, &json!("(other)"), &json!(EVENTS - 999))
    );
    let others = stack.query_client.get("/stats?site_id=hostile&event_type=%28other%29").await?.json();
    assert_eq!(others["total_views"], json!(EVENTS - 999));
    let metrics = projector.client.get("/metrics").await?.text;
    let is_told = |line: &str| {
        line.starts_with("projector_capped_events_total")
            && line.contains("types")
            && line.ends_with(&format!(" {}", EVENTS - 999))
    };
    assert!(metrics.lines().any(is_told), "{metrics}");
    assert!(stack.operate(&["verify"]).await?.contains("nothing differs"));
    Ok(())
}
