use std::future::ready;
use std::time::Duration;

use anyhow::{Context, Result};
use async_nats::jetstream;
use futures_util::{StreamExt, TryStreamExt, stream};
use testkit::failure::TestResult;
use testkit::observe::snapshot;
use testkit::stack::{DATABASE, Stack};
use testkit::wait;

use crate::inputs::traffic::Traffic;

/// Small batches: many transactions to be killed in.
pub(crate) const SMALL_BATCHES: [(&str, &str); 1] = [("BATCH_EVENTS_MAX", "40")];

const EVENTS: usize = 4_000;

const KILLS: usize = 6;

/// Traffic with one repeat for every two events, most of them far behind the event they repeat.
pub(crate) fn traffic() -> Vec<String> {
    let lines = Traffic::made_up(EVENTS, 7).lines;
    let again = lines.iter().step_by(2).cloned();
    lines.iter().take(EVENTS / 2).cloned().chain(again).chain(lines.iter().skip(EVENTS / 2).cloned()).collect()
}

/// Fills the log with envelopes of `sizes`, over and over, and one that cannot be read.
pub(crate) async fn fill(log: &jetstream::Context, subject: &str, lines: &[String], sizes: &[usize]) -> Result<()> {
    let (mut rest, mut sizes) = (lines, sizes.iter().cycle());
    let mut envelopes = vec!["unreadable".to_owned()];
    while let Some(size) = sizes.next().filter(|_| !rest.is_empty()) {
        let (envelope, behind) = rest.split_at((*size).min(rest.len()));
        rest = behind;
        envelopes.push(envelope.join("\n"));
    }
    let publish = |envelope: String| async { log.publish(subject.to_owned(), envelope.into()).await?.await };
    stream::iter(envelopes).map(publish).buffered(256).try_for_each(|_| ready(Ok(()))).await?;
    Ok(())
}

/// The envelope id is no part of a picture, so pictures of different logs can be compared.
pub(crate) async fn folded_undisturbed(stack: &Stack, database: &str) -> Result<Vec<String>> {
    stack.create_database(database).await?;
    let _projector = stack.projector(database, &[]).await?;
    stack.drained(database).await
}

/// A stack whose log holds traffic in envelopes of these sizes.
pub(crate) async fn stack_with(sizes: &[usize]) -> TestResult<Stack> {
    let stack = Stack::servers().await?;
    let ingest = stack.ingest(&[("PARTITIONS", "1")]).await?;
    ingest.stop().await;
    fill(&stack.log().await?, "events.0", &traffic(), sizes).await?;
    Ok(stack)
}

#[tokio::test]
async fn a_projector_that_is_killed_again_and_again_counts_the_same() -> TestResult {
    let stack = stack_with(&[7, 1, 30]).await?;
    let undisturbed = folded_undisturbed(&stack, "undisturbed").await?;
    let pool = stack.database(DATABASE)?;
    let mut reached = 0;
    for _ in 0..KILLS {
        let projector = stack.projector(DATABASE, &SMALL_BATCHES).await?;
        // Killed as soon as it has moved at all: somewhere in the next transaction.
        reached = wait::until("the projector moves", Duration::from_secs(30), async || {
            let at = snapshot::checkpoints(&pool).await.ok()?.first()?.1;
            (at > reached).then_some(at)
        })
        .await;
        projector.process.kill().await;
    }
    assert!(reached < stack.end_of_partition_0().await?, "killed in mid-stream every time");
    let _projector = stack.projector(DATABASE, &SMALL_BATCHES).await?;
    assert_eq!(stack.drained(DATABASE).await?, undisturbed);
    Ok(())
}

#[tokio::test]
async fn where_envelopes_and_batches_end_does_not_show() -> TestResult {
    let reference = stack_with(&[1]).await?;
    let expected = folded_undisturbed(&reference, "undisturbed").await?;
    drop(reference);
    for (sizes, batch_events_max) in [(&[1_000][..], "1"), (&[2, 999, 1, 64], "333"), (&[17], "100000")] {
        let stack = stack_with(sizes).await?;
        let _projector = stack.projector(DATABASE, &[("BATCH_EVENTS_MAX", batch_events_max)]).await?;
        let folded = stack.drained(DATABASE).await.context("folding")?;
        assert_eq!(folded, expected, "envelopes of {sizes:?}, batches of {batch_events_max}");
    }
    Ok(())
}
