//! What a broken connection loses on its way is in the log all the same: nothing is taken for gone before the log says so.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use futures_util::{StreamExt, TryStreamExt, stream};
use launcher::servers::nats::NatsUser;
use testkit::failure::TestResult;
use testkit::stack::{Answered, DATABASE, Stack};

use crate::faults::proxy::Wire;
use crate::history::{SOON, event, says, views};

/// More than the log delivers at once: behind what is lost there is something that comes.
const ENVELOPES: usize = 5_000;

/// Envelopes behind what is erased.
const STAYING: u64 = 20;

/// A deadline that has passed in a moment, for what takes something out of the log.
const DEADLINE: [&str; 2] = ["--publish-deadline-ms", "1"];

/// A stack with many envelopes in its log, each of the site `lost`.
async fn filled() -> TestResult<Stack> {
    let stack = Stack::servers().await?;
    let log = stack.log().await?;
    log.create_stream(testkit::observe::log::declared(0)).await?;
    let publish = |_| async { log.publish("events.0", event("lost").into()).await?.await };
    stream::iter(0..ENVELOPES).map(publish).buffer_unordered(256).try_for_each(|_| async { Ok(()) }).await?;
    Ok(stack)
}

/// A command on a log behind a wire, as the user that may do everything.
async fn operate_behind(stack: &Stack, wire: &Wire, arguments: &[&str]) -> Result<Answered> {
    let user = stack.nats.user(NatsUser::Operator);
    let environment = [("NATS_URL", &*wire.url()), ("NATS_USER", &user.user), ("NATS_PASSWORD", &user.password)];
    stack.operate_with(&environment, arguments).await
}

/// The sequences that an archive of partition 0 has, in order.
fn archived(archive: &Path) -> Result<Vec<u64>> {
    let mut sequences = Vec::new();
    for entry in fs::read_dir(archive.join("EVENTS_0"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "ndjson") {
            for line in fs::read_to_string(path)?.lines() {
                let line: serde_json::Value = serde_json::from_str(line)?;
                sequences.push(line["sequence"].as_u64().context("a sequence")?);
            }
        }
    }
    sequences.sort_unstable();
    Ok(sequences)
}

#[tokio::test]
async fn a_partition_whose_first_delivery_is_lost_neither_stands_still_nor_skips_anything() -> TestResult {
    let stack = filled().await?;
    let wire = Wire::to(stack.nats.port()).await?;
    wire.cut_first_deliveries(&[true, false, true]);
    let projector = stack.projector(DATABASE, &[("NATS_URL", &wire.url())]).await?;
    stack.drained(DATABASE).await?;
    assert!(wire.cuts() > 0);
    assert_eq!(views(&stack, "lost").await?, i64::try_from(ENVELOPES)?);
    let said = projector.process.log_tail(1_000);
    assert!(!said.contains("is halted"), "nothing was gone: {said}");
    Ok(())
}

#[tokio::test]
async fn an_archive_has_what_was_lost_on_its_way_and_a_trim_takes_only_what_it_has() -> TestResult {
    let stack = filled().await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    let folder = stack.folder().join("archive");
    let archive = folder.to_str().context("a path in UTF-8")?;
    let wire = Wire::to(stack.nats.port()).await?;
    // The first delivery of the pass that writes, and of the pass that compares.
    wire.cut_first_deliveries(&[true, false, true, false]);
    let said = operate_behind(&stack, &wire, &["archive", "--to", archive, "--trim"]).await?;
    assert!(said.is_success, "{said:?}");
    assert_eq!(wire.cuts(), 2, "{said:?}");
    let all: Vec<u64> = (1..=u64::try_from(ENVELOPES)?).collect();
    assert_eq!(archived(&folder)?.len(), all.len(), "{said:?}");
    assert_eq!(archived(&folder)?, all);
    Ok(())
}

#[tokio::test]
async fn an_archive_that_lacks_an_envelope_of_the_log_is_not_trimmed_by() -> TestResult {
    let stack = filled().await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    let folder = stack.folder().join("archive");
    let archive = folder.to_str().context("a path in UTF-8")?;
    stack.operate(&["archive", "--to", archive]).await?;
    // As a version wrote it that took what was lost on its way for gone.
    let partition = folder.join("EVENTS_0");
    let name = fs::read_to_string(partition.join("SHA256SUMS"))?;
    let name = name.split_whitespace().nth(1).context("a file's name")?;
    let text = fs::read_to_string(partition.join(name))?;
    let lines: Vec<&str> = text.lines().collect();
    fs::write(partition.join(name), [&lines[..100], &lines[300..]].concat().join("\n") + "\n")?;
    let sums = std::process::Command::new("sha256sum").arg(name).current_dir(&partition).output()?;
    fs::write(partition.join("SHA256SUMS"), sums.stdout)?;
    let refused = stack.operate_on_log(&["archive", "--to", archive, "--trim"]).await?;
    assert!(!refused.is_success && refused.complaint.contains("sequence 101"), "{refused:?}");
    let state = stack.log().await?.get_stream("EVENTS_0").await?.cached_info().state.clone();
    assert_eq!((state.first_sequence, state.messages), (1, u64::try_from(ENVELOPES)?), "nothing was trimmed");
    Ok(())
}

#[tokio::test]
async fn what_is_forgotten_is_forgotten_although_its_deliveries_are_lost() -> TestResult {
    let stack = filled().await?;
    for _ in 0..STAYING {
        stack.log().await?.publish("events.0", event("stays").into()).await?.await?;
    }
    let _projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    let wire = Wire::to(stack.nats.port()).await?;
    wire.cut_first_deliveries(&[true]);
    // Dry, it is one pass, which counts all of it.
    let said = operate_behind(&stack, &wire, &["forget", "--site", "lost", "--dry-run"]).await?;
    assert!(said.text.starts_with(&format!("{ENVELOPES} events in {ENVELOPES} envelopes")), "{said:?}");
    assert_eq!(wire.cuts(), 1);
    // When it is erased, when that is verified, and when it is searched for.
    wire.cut_first_deliveries(&[true, false, true, false, true, false]);
    let whom = [&["forget", "--site", "lost"][..], &DEADLINE].concat();
    let said = operate_behind(&stack, &wire, &whom).await?;
    assert!(said.is_success && said.text.contains("Done: "), "{said:?}");
    assert_eq!(wire.cuts(), 4);
    let messages = stack.log().await?.get_stream("EVENTS_0").await?.cached_info().state.messages;
    assert_eq!(messages, STAYING, "what was not asked for is all that is left");
    Ok(())
}

/// A partition stands still for a gap that is none any more: what was gone has come back.
#[tokio::test]
async fn what_is_in_the_log_is_not_acknowledged_as_lost() -> TestResult {
    let stack = Stack::servers().await?;
    let log = stack.log().await?;
    log.create_stream(testkit::observe::log::declared(0)).await?;
    for _ in 0..3 {
        log.publish("events.0", event("lost").into()).await?.await?;
    }
    let projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    projector.process.stop().await;
    for _ in 0..3 {
        log.publish("events.0", event("lost").into()).await?.await?;
    }
    // As a version noted it that took what was lost on its way for gone.
    let noted = sqlx::query(
        "update checkpoint set halted_reason = 'sequences 4 to 5 are gone from the stream', resume_sequence = 5,
             resume_stream_created = stream_created",
    );
    noted.execute(&stack.database(DATABASE)?).await?;
    let acknowledge = ["acknowledge", "--partition", "0", "--to", "5", "--by", "operator"];
    let refused = stack.operate_with(&[], &acknowledge).await?;
    assert!(!refused.is_success && refused.complaint.contains("sequence 4"), "{refused:?}");
    assert!(refused.complaint.contains("still in the log"), "{refused:?}");
    let _projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    assert_eq!(views(&stack, "lost").await?, 6);
    Ok(())
}

/// The last envelopes are deleted: nothing behind them shows it.
#[tokio::test]
async fn what_is_gone_from_the_end_is_said_to_be_gone() -> TestResult {
    let stack = Stack::servers().await?;
    let log = stack.log().await?;
    let events = log.create_stream(testkit::observe::log::declared(0)).await?;
    for _ in 0..4 {
        log.publish("events.0", event("lost").into()).await?.await?;
    }
    events.delete_message(3).await?;
    events.delete_message(4).await?;
    let projector = stack.projector(DATABASE, &[]).await?;
    says(&projector, "partition 0 stands still: sequences 3 to 4 are gone").await;
    stack.operate(&["acknowledge", "--partition", "0", "--to", "4", "--by", "operator"]).await?;
    log.publish("events.0", event("lost").into()).await?.await?;
    testkit::wait::until("it goes on", SOON, async || (views(&stack, "lost").await.ok()? == 3).then_some(())).await;
    Ok(())
}
