use anyhow::Result;
use async_nats::jetstream;
use tempfile::TempDir;
use testkit::failure::TestResult;
use testkit::stack::{DATABASE, Projector, Stack};
use testkit::wait;

use crate::history::{SOON, copy_folder, event, restore, says, stream, views};

/// A stack with the stream of partition 0, and a client of the log.
pub(crate) async fn begun() -> TestResult<(Stack, jetstream::Context)> {
    let stack = Stack::servers().await?;
    let log = stack.log().await?;
    log.create_stream(stream(0)).await?;
    Ok((stack, log))
}

pub(crate) async fn send(log: &jetstream::Context, body: String) -> Result<()> {
    log.publish("events.0", body.into()).await?.await?;
    Ok(())
}

async fn make_anew(log: &jetstream::Context) -> Result<()> {
    log.delete_stream("EVENTS_0").await?;
    log.create_stream(stream(0)).await?;
    Ok(())
}

fn with_poison(site: &str) -> String {
    [event(site), format!("unreadable: {site}")].join("\n")
}

pub(crate) async fn acknowledge(stack: &Stack, to: &str) -> Result<()> {
    stack.operate(&["acknowledge", "--partition", "0", "--to", to, "--by", "operator"]).await.map(drop)
}

pub(crate) async fn shows(stack: &Stack, site: &str, count: i64) {
    let shown = async || (views(stack, site).await.ok()? == count).then_some(());
    wait::until("the event is counted", SOON, shown).await;
}

/// Puts something readable in the place of what could not be read.
async fn fix_parked(stack: &Stack) -> Result<()> {
    let fix = sqlx::query("update parked_event set event = $1").bind(event("fixed").into_bytes());
    fix.execute(&stack.database(DATABASE)?).await?;
    Ok(())
}

#[tokio::test]
async fn a_stream_that_is_made_anew_twice_is_acknowledged_twice() -> TestResult {
    let (stack, log) = begun().await?;
    send(&log, with_poison("first")).await?;
    let projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    for site in ["second", "third"] {
        make_anew(&log).await?;
        send(&log, with_poison(site)).await?;
        says(&projector, "it was deleted and made anew").await;
        acknowledge(&stack, "0").await?;
        shows(&stack, site, 1).await;
    }
    let listed = stack.operate(&["parked", "list"]).await?;
    assert_eq!(listed.lines().count(), 3, "{listed}");
    assert!(listed.lines().all(|line| line.contains("generation 1 partition 0 sequence 1 line 1")), "{listed}");
    assert_eq!(listed.matches("of a stream that was acknowledged to be gone").count(), 2, "{listed}");
    for site in ["first", "second", "third"] {
        let shown = stack.operate(&["parked", "show"]).await?;
        assert!(shown.contains(&format!("unreadable: {site}")), "{shown}");
    }
    fix_parked(&stack).await?;
    let retried = stack.operate(&["parked", "retry", "--by", "operator"]).await?;
    assert_eq!(retried, "Counted 3 events, dropped 0 repeats; 0 parked events still cannot be read.\n");
    assert_eq!(views(&stack, "fixed").await?, 3);
    Ok(())
}

/// A log with one event, and a copy of it.
async fn copied() -> TestResult<(Stack, TempDir)> {
    let (mut stack, log) = begun().await?;
    let folder = tempfile::tempdir()?;
    send(&log, event("first")).await?;
    stack.nats.stop().await;
    copy_folder(&stack.nats.store(), &folder.path().join("copy"))?;
    stack.nats.restart().await?;
    Ok((stack, folder))
}

#[tokio::test]
async fn a_stream_that_is_restored_twice_is_acknowledged_twice() -> TestResult {
    let (mut stack, folder) = copied().await?;
    let projector = stack.projector(DATABASE, &[]).await?;
    for site in ["second", "third"] {
        send(&stack.log().await?, with_poison(site)).await?;
        shows(&stack, site, 1).await;
        restore(&mut stack, &folder.path().join("copy")).await?;
        says(&projector, "it was restored to an older state").await;
        acknowledge(&stack, "1").await?;
    }
    let shown = stack.operate(&["parked", "show"]).await?;
    assert!(shown.contains("unreadable: second") && shown.contains("unreadable: third"), "{shown}");
    stack.operate(&["parked", "discard", "--by", "operator"]).await?;
    assert_eq!(stack.operate(&["parked", "list"]).await?, "");
    Ok(())
}

/// Lets a projector meet a gap that begins where it stands, in a stream that continues what it has folded.
pub(crate) async fn meets_gap(stack: &Stack, sites: [&str; 2], gone: u64) -> Result<Projector> {
    let log = stack.log().await?;
    for site in sites {
        send(&log, event(site)).await?;
    }
    log.get_stream("EVENTS_0").await?.delete_message(gone).await?;
    stack.projector(DATABASE, &[]).await
}

#[tokio::test]
async fn a_gap_of_an_earlier_stream_is_not_passed_in_a_later_one() -> TestResult {
    let (stack, log) = begun().await?;
    let projector = meets_gap(&stack, ["lost", "first"], 1).await?;
    says(&projector, "sequences 1 to 1 are gone").await;
    acknowledge(&stack, "1").await?;
    shows(&stack, "first", 1).await;
    make_anew(&log).await?;
    says(&projector, "it was deleted and made anew").await;
    acknowledge(&stack, "0").await?;
    drop(projector);

    let projector = meets_gap(&stack, ["second", "third"], 1).await?;
    says(&projector, "sequences 1 to 1 are gone").await;
    assert_eq!(views(&stack, "third").await?, 0, "no operator has decided on this gap");
    acknowledge(&stack, "1").await?;
    shows(&stack, "third", 1).await;
    Ok(())
}

#[tokio::test]
async fn a_new_generation_does_not_pass_a_gap_of_an_earlier_stream() -> TestResult {
    let (stack, log) = begun().await?;
    send(&log, event("first")).await?;
    let projector = meets_gap(&stack, ["lost", "second"], 2).await?;
    says(&projector, "sequences 2 to 2 are gone").await;
    acknowledge(&stack, "2").await?;
    shows(&stack, "second", 1).await;
    make_anew(&log).await?;
    says(&projector, "it was deleted and made anew").await;
    drop(projector);
    send(&log, event("third")).await?;
    let _projector = meets_gap(&stack, ["lost", "fourth"], 2).await?;
    stack.operate(&["rebuild", "--detach"]).await?;
    wait::until("the new generation stands still", SOON, async || {
        let status = stack.operate(&["status", "--json"]).await.ok()?;
        let status: serde_json::Value = serde_json::from_str(&status).ok()?;
        status[1]["partitions"][0]["halted"].as_str()?.contains("sequences 2 to 2 are gone").then_some(())
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn a_gap_is_not_passed_in_what_a_restored_stream_has_grown_since() -> TestResult {
    let (mut stack, folder) = copied().await?;
    let projector = meets_gap(&stack, ["lost", "second"], 2).await?;
    says(&projector, "sequences 2 to 2 are gone").await;
    acknowledge(&stack, "2").await?;
    shows(&stack, "second", 1).await;
    restore(&mut stack, &folder.path().join("copy")).await?;
    says(&projector, "it was restored to an older state").await;
    acknowledge(&stack, "1").await?;
    drop(projector);

    let projector = meets_gap(&stack, ["third", "fourth"], 2).await?;
    says(&projector, "sequences 2 to 2 are gone").await;
    assert_eq!(views(&stack, "fourth").await?, 0, "no operator has decided on this gap");
    Ok(())
}

#[tokio::test]
async fn each_passing_of_an_acknowledged_gap_is_recorded_and_shown() -> TestResult {
    let (stack, log) = begun().await?;
    send(&log, event("first")).await?;
    let projector = meets_gap(&stack, ["lost", "second"], 2).await?;
    says(&projector, "sequences 2 to 2 are gone").await;
    acknowledge(&stack, "2").await?;
    shows(&stack, "second", 1).await;
    stack.operate(&["rebuild"]).await?;
    let recorded: Vec<(i32, String, bool)> = sqlx::query_as(
        "select generation_id, acknowledged_by, decision_id is not null from acknowledgement order by acknowledgement_id",
    )
    .fetch_all(&stack.database(DATABASE)?)
    .await?;
    assert_eq!(recorded, [(1, "operator".to_owned(), false), (2, "operator".to_owned(), true)]);
    let status = stack.operate(&["status"]).await?;
    assert!(status.contains("went on behind sequence 2 of partition 0, as operator decided"), "{status}");
    assert!(status.contains("passed sequences 2 to 2 of partition 0 by a decision of operator"), "{status}");
    let json = stack.operate(&["status", "--json"]).await?;
    let json: serde_json::Value = serde_json::from_str(&json)?;
    assert_eq!(json[1]["acknowledgements"][0]["by"], "operator", "{json}");
    Ok(())
}

#[tokio::test]
async fn what_was_acknowledged_at_the_beginning_of_a_stream_stops_no_command() -> TestResult {
    let (stack, log) = begun().await?;
    let projector = meets_gap(&stack, ["lost", "first"], 1).await?;
    says(&projector, "sequences 1 to 1 are gone").await;
    acknowledge(&stack, "1").await?;
    shows(&stack, "first", 1).await;
    send(&log, event("second")).await?;
    shows(&stack, "second", 1).await;
    assert!(stack.operate(&["verify"]).await?.contains("nothing differs"));
    let rebuilt = stack.operate(&["rebuild"]).await?;
    assert!(rebuilt.contains("is active") && rebuilt.contains("nothing differs"), "{rebuilt}");
    let forgotten = stack.operate_on_log(&["forget", "--site", "first", "--publish-deadline-ms", "1"]).await?;
    assert!(forgotten.is_success && forgotten.text.contains("Done: "), "{forgotten:?}");
    assert_eq!((views(&stack, "first").await?, views(&stack, "second").await?), (0, 1));
    Ok(())
}
