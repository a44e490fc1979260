//! Gaps that an operator has acknowledged, in what reads the log from its beginning.

use anyhow::Result;
use contract::Partition;
use testkit::failure::TestResult;
use testkit::stack::{DATABASE, Projector, Stack};
use testkit::wait;

use crate::decisions::{acknowledge, begun, meets_gap, send, shows};
use crate::generations::have_become;
use crate::history::{SOON, event, says, views};
use crate::servers::backup::Backup;

/// A log with `first`, `second` and `third`, where the operator has acknowledged that the envelope of `lost` is gone.
async fn acknowledged() -> TestResult<(Stack, Projector)> {
    let (stack, log) = begun().await?;
    send(&log, event("first")).await?;
    let projector = meets_gap(&stack, ["lost", "second"], 2).await?;
    says(&projector, "sequences 2 to 2 are gone").await;
    acknowledge(&stack, "2").await?;
    send(&log, event("third")).await?;
    shows(&stack, "third", 1).await;
    Ok((stack, projector))
}

/// Checks that nothing stops what reads the log from its beginning, and that it comes to the same.
async fn is_complete(stack: &Stack) -> Result<()> {
    let verified = stack.operate(&["verify"]).await?;
    assert!(verified.contains("nothing differs"), "{verified}");
    let rebuilt = stack.operate(&["rebuild"]).await?;
    assert!(rebuilt.contains("is active") && rebuilt.contains("nothing differs"), "{rebuilt}");
    Ok(())
}

#[tokio::test]
async fn what_was_acknowledged_is_not_asked_for_after_a_trim_and_a_restore() -> TestResult {
    let (stack, _projector) = acknowledged().await?;
    let folder = stack.folder().join("archive");
    let archive = folder.to_str().expect("a path in UTF-8");
    let trim = ["archive", "--to", archive, "--trim", "--publish-deadline-ms", "1"];
    wait::until("everything is trimmed", SOON, async || {
        let said = stack.operate_on_log(&trim).await.ok()?;
        assert!(said.is_success, "{said:?}");
        let state = stack.log().await.ok()?.get_stream("EVENTS_0").await.ok()?.cached_info().state.clone();
        (state.messages == 0).then_some(())
    })
    .await;
    send(&stack.log().await?, event("fourth")).await?;
    shows(&stack, "fourth", 1).await;
    let refused = stack.operate_with(&[], &["rebuild"]).await?;
    assert!(!refused.is_success && refused.complaint.contains("sequences 1 to 4 could not be"), "{refused:?}");

    for _ in 0..2 {
        let said = stack.operate_on_log(&["restore", "--from", archive]).await?;
        assert!(said.is_success && said.text.contains("before it was archived is 2."), "{said:?}");
    }
    is_complete(&stack).await?;
    let forgotten = stack.operate_on_log(&["forget", "--site", "first", "--publish-deadline-ms", "1"]).await?;
    assert!(forgotten.is_success && forgotten.text.contains("Done: "), "{forgotten:?}");
    assert_eq!((views(&stack, "first").await?, views(&stack, "third").await?), (0, 1));
    Ok(())
}

#[tokio::test]
async fn what_was_acknowledged_is_not_asked_for_in_a_stream_that_was_restored_whole() -> TestResult {
    let (stack, log) = begun().await?;
    let projector = meets_gap(&stack, ["lost", "first"], 1).await?;
    says(&projector, "sequences 1 to 1 are gone").await;
    acknowledge(&stack, "1").await?;
    shows(&stack, "first", 1).await;
    projector.process.stop().await;
    let backup = Backup::take(&log, Partition::numbered(0).expect("a partition")).await?;
    log.delete_stream("EVENTS_0").await?;
    backup.restore(&log).await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    send(&log, event("second")).await?;
    shows(&stack, "second", 1).await;
    Ok(is_complete(&stack).await?)
}

/// An operator has only looked at what would be left.
#[tokio::test]
async fn a_decision_for_a_generation_that_was_dropped_is_none_for_a_later_one() -> TestResult {
    const BEFORE: [(&str, &str); 1] = [("FOLD_VERSION", "4")];
    let (stack, log) = begun().await?;
    for site in ["first", "second", "third"] {
        send(&log, event(site)).await?;
    }
    let before = stack.projector(DATABASE, &BEFORE).await?;
    stack.drained(DATABASE).await?;
    log.get_stream("EVENTS_0").await?.purge().sequence(3).await?;
    let rebuild = ["rebuild", "--accept-missing", "--no-promote", "--by", "operator"];
    let said = stack.operate_with(&BEFORE, &rebuild).await?;
    assert!(said.text.contains("Generation 2 is ready"), "{said:?}");
    let dropped = stack.operate_with(&BEFORE, &["drop", "2"]).await?;
    assert!(dropped.is_success, "{dropped:?}");
    before.process.stop().await;

    let _projector = stack.projector(DATABASE, &[]).await?;
    wait::until("the new generation stands still", SOON, async || {
        let status = stack.operate(&["status", "--json"]).await.ok()?;
        let status: serde_json::Value = serde_json::from_str(&status).ok()?;
        let built = status.as_array()?.iter().find(|generation| generation["status"] == "building")?.clone();
        built["partitions"][0]["halted"].as_str()?.contains("sequences 1 to 2 are gone").then_some(())
    })
    .await;
    acknowledge(&stack, "2").await?;
    let pool = stack.database(DATABASE)?;
    have_become(&pool, &[(1, "active"), (3, "ready")]).await;
    let active = "select generation_id, (select sum(views)::bigint from view_total where generation_id = generation.generation_id)
                  from generation where status = 'active'";
    let active: (i32, i64) = sqlx::query_as(active).fetch_one(&pool).await?;
    assert_eq!(active, (1, 3), "reports keep what the log has lost");
    Ok(())
}
