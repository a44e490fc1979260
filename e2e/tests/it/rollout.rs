use std::time::Duration;

use anyhow::Result;
use e2e::load::{self, Load};
use e2e::picture::views_by_path;
use e2e::stack::{DATABASE, Stack};
use e2e::wait;

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
async fn a_new_fold_is_rolled_out_by_deploying_it_and_rolled_back() -> Result<()> {
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
    assert!(!refused.is_success && refused.complaint.contains("the active generation is fold 4"), "{refused:?}");
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

#[tokio::test]
async fn a_new_fold_that_two_projectors_bring_is_begun_once() -> Result<()> {
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
