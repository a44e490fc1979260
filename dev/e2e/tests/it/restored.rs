//! Streams that are restored, or come back, after an operator has decided about them: what was counted is not counted again,
//! and what is new counts.

use anyhow::Result;
use async_nats::jetstream;
use contract::Partition;
use tempfile::TempDir;
use testkit::failure::TestResult;
use testkit::stack::{DATABASE, Projector, Stack};
use testkit::wait;

use crate::history::{SOON, copy_folder, event, restore, says, stream, views};
use crate::servers::backup::Backup;

async fn begun(partitions: u16) -> TestResult<(Stack, jetstream::Context)> {
    let stack = Stack::servers().await?;
    let log = stack.log().await?;
    for partition in 0..partitions {
        log.create_stream(stream(partition)).await?;
    }
    Ok((stack, log))
}

async fn send(stack: &Stack, partition: u16, site: &str) -> Result<()> {
    stack.log().await?.publish(format!("events.{partition}"), event(site).into()).await?.await?;
    Ok(())
}

async fn acknowledge(stack: &Stack, to: &str) -> Result<()> {
    stack.operate(&["acknowledge", "--partition", "0", "--to", to, "--by", "operator"]).await.map(drop)
}

async fn shows(stack: &Stack, site: &str, count: i64) {
    let shown = async || (views(stack, site).await.ok()? == count).then_some(());
    wait::until("the events are counted", SOON, shown).await;
}

async fn goes_on(projector: &Projector) {
    wait::until("all partitions go on", SOON, async || {
        (projector.client.get("/readyz").await.ok()?.status == 200).then_some(())
    })
    .await;
}

fn partition(number: u16) -> Partition {
    Partition::numbered(number).expect("a partition")
}

/// As `nats stream rm` and `nats restore`: the stream has another date then.
async fn put_back(log: &jetstream::Context, number: u16, backup: &Backup) -> Result<()> {
    log.delete_stream(partition(number).stream()).await?;
    backup.restore(log).await
}

/// A folder with a copy of the log as it is now.
async fn copied(stack: &mut Stack) -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    stack.nats.stop().await;
    copy_folder(&stack.nats.store(), &folder.path().join("copy"))?;
    stack.nats.restart().await?;
    Ok(folder)
}

/// Events go on coming while an operator decides.
#[tokio::test]
async fn what_came_since_a_restore_counts_whenever_that_is_acknowledged() -> TestResult {
    let (mut stack, _) = begun(1).await?;
    send(&stack, 0, "first").await?;
    let copy = copied(&mut stack).await?;
    for _ in 0..5 {
        send(&stack, 0, "lost").await?;
    }
    let projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    projector.process.stop().await;
    restore(&mut stack, &copy.path().join("copy")).await?;
    send(&stack, 0, "new").await?;
    let projector = stack.projector(DATABASE, &[]).await?;
    says(&projector, "the stream ends at sequence 2, but sequence 6 was counted").await;
    let status = stack.operate(&["status"]).await?;
    assert!(status.contains("what follows sequence 1 is new") && status.contains("--to 1 --by"), "{status}");
    send(&stack, 0, "new").await?;
    acknowledge(&stack, "1").await?;
    shows(&stack, "new", 2).await;
    assert_eq!((views(&stack, "first").await?, views(&stack, "lost").await?), (1, 5));
    Ok(())
}

#[tokio::test]
async fn a_newer_backup_that_is_found_after_a_decision_is_not_counted_again() -> TestResult {
    let (stack, log) = begun(1).await?;
    send(&stack, 0, "first").await?;
    let older = Backup::take(&log, partition(0)).await?;
    for _ in 0..2 {
        send(&stack, 0, "second").await?;
    }
    let newer = Backup::take(&log, partition(0)).await?;
    let projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;

    put_back(&log, 0, &older).await?;
    says(&projector, "the stream ends at sequence 1, but sequence 3 was counted").await;
    acknowledge(&stack, "1").await?;
    goes_on(&projector).await;
    put_back(&log, 0, &newer).await?;
    says(&projector, "another state was restored since").await;
    acknowledge(&stack, "3").await?;
    send(&stack, 0, "new").await?;
    shows(&stack, "new", 1).await;
    assert_eq!((views(&stack, "first").await?, views(&stack, "second").await?), (1, 2));
    Ok(())
}

#[tokio::test]
async fn a_stream_that_was_given_up_and_comes_back_is_not_counted_again() -> TestResult {
    let (stack, log) = begun(1).await?;
    for _ in 0..2 {
        send(&stack, 0, "first").await?;
    }
    let backup = Backup::take(&log, partition(0)).await?;
    let projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    log.delete_stream("EVENTS_0").await?;
    log.create_stream(stream(0)).await?;
    says(&projector, "it was deleted and made anew").await;
    acknowledge(&stack, "0").await?;
    goes_on(&projector).await;
    put_back(&log, 0, &backup).await?;
    says(&projector, "another state was restored since").await;
    acknowledge(&stack, "2").await?;
    send(&stack, 0, "new").await?;
    shows(&stack, "new", 1).await;
    assert_eq!(views(&stack, "first").await?, 2);
    Ok(())
}

/// The folder of the log is put back, so the stream has the date that it had.
#[tokio::test]
async fn what_takes_the_place_of_the_last_one_after_a_decision_is_noticed() -> TestResult {
    let (mut stack, _) = begun(1).await?;
    send(&stack, 0, "first").await?;
    let older = copied(&mut stack).await?;
    send(&stack, 0, "second").await?;
    let newer = copied(&mut stack).await?;
    send(&stack, 0, "third").await?;
    let projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    restore(&mut stack, &newer.path().join("copy")).await?;
    says(&projector, "the stream ends at sequence 2, but sequence 3 was counted").await;
    acknowledge(&stack, "2").await?;
    goes_on(&projector).await;
    projector.process.stop().await;
    restore(&mut stack, &older.path().join("copy")).await?;
    send(&stack, 0, "new").await?;
    let projector = stack.projector(DATABASE, &[]).await?;
    says(&projector, "restored to an older state and has grown since").await;
    acknowledge(&stack, "1").await?;
    shows(&stack, "new", 1).await;
    Ok(())
}

#[tokio::test]
async fn what_takes_the_place_of_a_gap_that_was_acknowledged_is_noticed() -> TestResult {
    let (mut stack, log) = begun(1).await?;
    send(&stack, 0, "first").await?;
    let copy = copied(&mut stack).await?;
    send(&stack, 0, "lost").await?;
    log.get_stream("EVENTS_0").await?.delete_message(2).await?;
    let projector = stack.projector(DATABASE, &[]).await?;
    says(&projector, "sequences 2 to 2 are gone").await;
    acknowledge(&stack, "2").await?;
    goes_on(&projector).await;
    projector.process.stop().await;
    restore(&mut stack, &copy.path().join("copy")).await?;
    send(&stack, 0, "new").await?;
    let projector = stack.projector(DATABASE, &[]).await?;
    says(&projector, "another state was restored since").await;
    acknowledge(&stack, "1").await?;
    shows(&stack, "new", 1).await;
    assert_eq!(views(&stack, "first").await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_stream_that_ends_with_an_acknowledged_gap_goes_on_after_a_restore() -> TestResult {
    let (stack, log) = begun(1).await?;
    for site in ["first", "lost"] {
        send(&stack, 0, site).await?;
    }
    log.get_stream("EVENTS_0").await?.delete_message(2).await?;
    let projector = stack.projector(DATABASE, &[]).await?;
    says(&projector, "sequences 2 to 2 are gone").await;
    acknowledge(&stack, "2").await?;
    goes_on(&projector).await;
    let backup = Backup::take(&log, partition(0)).await?;
    put_back(&log, 0, &backup).await?;
    send(&stack, 0, "new").await?;
    shows(&stack, "new", 1).await;
    assert_eq!(views(&stack, "first").await?, 1);
    Ok(())
}

/// One in which nothing was counted yet, one that was trimmed to its end, and one that has grown behind that.
#[tokio::test]
async fn a_restored_stream_that_has_nothing_to_compare_goes_on() -> TestResult {
    let (stack, log) = begun(3).await?;
    for partition in [1, 2] {
        for _ in 0..2 {
            send(&stack, partition, "first").await?;
        }
    }
    let projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    goes_on(&projector).await;
    projector.process.stop().await;
    for partition in [1, 2] {
        log.get_stream(format!("EVENTS_{partition}")).await?.purge().await?;
    }
    send(&stack, 2, "behind").await?;
    for number in 0..3 {
        let backup = Backup::take(&log, partition(number)).await?;
        put_back(&log, number, &backup).await?;
    }
    let projector = stack.projector(DATABASE, &[]).await?;
    goes_on(&projector).await;
    for partition in 0..3 {
        send(&stack, partition, "new").await?;
    }
    shows(&stack, "new", 3).await;
    assert_eq!((views(&stack, "first").await?, views(&stack, "behind").await?), (4, 1));
    assert_eq!(projector.client.get("/readyz").await?.status, 200);
    Ok(())
}
