use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use testkit::clients::load::{self, Load};
use testkit::failure::TestResult;
use testkit::observe::snapshot::views_by_path;
use testkit::stack::{DATABASE, Stack};
use testkit::wait;

use crate::generations::{have_become, hold_up, let_on};
use crate::history::event;

const SOON: Duration = Duration::from_mins(1);

/// As a projector of the version before: it knows no newer fold.
const BEFORE: [(&str, &str); 1] = [("FOLD_VERSION", "2")];

const REFERRERS: &str = "/stats?site_id=load-0&include=referrers";

async fn is_answered(stack: &Stack, status: u16) {
    wait::until("a report", SOON, async || {
        (stack.query_client.get(REFERRERS).await.ok()?.status == status).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_new_fold_is_rolled_out_by_deploying_it_and_rolled_back() -> TestResult {
    let stack = Stack::servers().await?;
    let _ingest = stack.ingest(&[]).await?;
    let old = stack.projector(DATABASE, &BEFORE).await?;
    let _query = stack.query().await?;
    let pool = stack.database(DATABASE)?;
    let load = Load::start(&stack.ingest_client, 8);
    wait::until("events are acknowledged", SOON, async || (load.acknowledged() > 1_000).then_some(())).await;
    is_answered(&stack, 503).await;

    let new = stack.projector(DATABASE, &[]).await?;
    have_become(&pool, &[(1, "retired"), (2, "active")]).await;
    is_answered(&stack, 200).await;
    let refused = stack.operate_with(&BEFORE, &["verify"]).await?;
    assert!(!refused.is_success && refused.complaint.contains("the active generation is fold 5"), "{refused:?}");
    // What the version before cannot build it leaves alone.
    wait::until("the old one has nothing to do", SOON, async || {
        (old.client.get("/readyz").await.ok()?.status == 503).then_some(())
    })
    .await;

    let said = stack.operate(&["rollback"]).await?;
    assert!(said.contains("Generation 1 is active"), "{said}");
    is_answered(&stack, 503).await;
    new.process.stop().await;
    let again = stack.projector(DATABASE, &[]).await?;
    wait::until("it is ready", SOON, async || (again.client.get("/readyz").await.ok()?.status == 200).then_some(()))
        .await;
    have_become(&pool, &[(1, "active"), (2, "retired")]).await;

    let heard = load.stop().await;
    stack.drained(DATABASE).await?;
    heard.check_counted(&views_by_path(&pool, load::SITES).await?);
    assert!(stack.operate(&["verify"]).await?.contains("nothing differs"));
    stack.operate(&["promote", "2"]).await?;
    assert!(stack.operate(&["verify"]).await?.contains("nothing differs"));
    Ok(())
}

/// The fold before counts these as they were sent: a rebuild by the newest makes one path of the first three.
#[tokio::test]
async fn a_path_is_one_page_however_it_is_encoded_and_so_in_all_of_history() -> TestResult {
    let stack = Stack::servers().await?;
    let _ingest = stack.ingest(&[]).await?;
    let before = stack.projector(DATABASE, &[("FOLD_VERSION", "4")]).await?;
    let _query = stack.query().await?;
    for path in ["/caf\u{e9}", "/caf%C3%A9", "/caf%c3%a9?a=%2f", "/cafe\u{301}", "/a%2fb", "/a%2Fb"] {
        let event = json!({
            "site_id": "localhost:8080", "event_type": "page_view", "path": path, "timestamp": "2025-11-12T12:00:00Z",
            "referrer": "http://localhost:8080/a",
        });
        assert_eq!(stack.ingest_client.post("/event", event.to_string()).await?.status, 200);
    }
    stack.drained(DATABASE).await?;
    let report = "/stats?site_id=localhost:8080&include=referrers&limit=10";
    let old = stack.query_client.get(report).await?.json();
    assert_eq!((old["top_paths"].as_array().map(Vec::len), &old["referrers"]["own"]), (Some(6), &json!(0)), "{old}");
    let found = async |pattern: &str| -> Result<Value> {
        Ok(stack.query_client.get(&format!("/paths?site_id=localhost:8080&{pattern}")).await?.json()["paths"].take())
    };
    assert_eq!(found("search=f%25C3%25A9").await?, json!([{"path": "/caf%C3%A9", "views": 1}]), "as it was sent");

    before.process.stop().await;
    let _projector = stack.projector(DATABASE, &[]).await?;
    have_become(&stack.database(DATABASE)?, &[(1, "retired"), (2, "active")]).await;
    let new = stack.query_client.get(report).await?.json();
    let paths = json!([
        {"path": "/caf\u{e9}", "views": 3}, {"path": "/a%2Fb", "views": 2}, {"path": "/cafe\u{301}", "views": 1}
    ]);
    assert_eq!((&new["top_paths"], &new["referrers"]["own"]), (&paths, &json!(6)), "{new}");
    for pattern in ["search=f%C3%A9", "search=f%25c3%25a9", "prefix=/caf%25C3%25A9", "prefix=/c%2561f%25c3"] {
        let expected = if pattern.ends_with("%25c3") { json!([]) } else { json!([paths[0]]) };
        assert_eq!(found(pattern).await?, expected, "{pattern}");
    }
    assert!(stack.operate(&["verify"]).await?.contains("nothing differs"));
    Ok(())
}

#[tokio::test]
async fn a_new_fold_that_two_projectors_bring_is_begun_once() -> TestResult {
    let stack = Stack::servers().await?;
    let _ingest = stack.ingest(&[]).await?;
    let _old = stack.projector(DATABASE, &BEFORE).await?;
    assert_eq!(stack.ingest_client.post("/event", event("site")).await?.status, 200);
    stack.drained(DATABASE).await?;
    let pool = stack.database(DATABASE)?;
    let held = hold_up(&pool).await?;
    let _first = stack.projector_named("first", DATABASE, &[])?;
    let _second = stack.projector_named("second", DATABASE, &[])?;
    let_on(held, &pool, 2).await?;
    have_become(&pool, &[(1, "retired"), (2, "active")]).await;
    Ok(())
}
