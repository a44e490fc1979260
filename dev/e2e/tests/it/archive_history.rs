//! Archives of a log that was made anew or restored to an older state: nothing is mixed, and nothing is trimmed that was not
//! counted.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use testkit::failure::TestResult;
use testkit::stack::{Answered, DATABASE, Stack};
use testkit::wait;

use crate::history::{copy_folder, event, restore, stream};

/// What is 5 seconds old is not sent again.
const TRIM: [&str; 3] = ["--trim", "--publish-deadline-ms", "1"];

const SETTLED_BOUND: Duration = Duration::from_mins(1);

async fn begun() -> TestResult<Stack> {
    let stack = Stack::servers().await?;
    stack.log().await?.create_stream(stream(0)).await?;
    Ok(stack)
}

async fn send(stack: &Stack, count: u64) -> Result<()> {
    for _ in 0..count {
        stack.log().await?.publish("events.0", event("site").into()).await?.await?;
    }
    Ok(())
}

/// Counts what the log has, and stops counting.
async fn counted(stack: &Stack) -> Result<()> {
    let projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    projector.process.stop().await;
    Ok(())
}

fn archive(stack: &Stack, name: &str) -> Result<(PathBuf, String)> {
    let folder = stack.folder().join(name);
    let path = folder.to_str().context("a path in UTF-8")?.to_owned();
    Ok((folder, path))
}

/// Archives and trims, until nothing stays because ingest may still send it again.
async fn trimmed(stack: &Stack, archive: &str) -> Answered {
    let run = [&["archive", "--to", archive][..], &TRIM].concat();
    wait::until("everything is old enough", SETTLED_BOUND, async || {
        let answered = stack.operate_on_log(&run).await.ok()?;
        (!answered.text.contains("stay in the log until a later run")).then_some(answered)
    })
    .await
}

async fn first_sequence(stack: &Stack) -> Result<u64> {
    Ok(stack.log().await?.get_stream("EVENTS_0").await?.cached_info().state.first_sequence)
}

#[tokio::test]
async fn what_was_counted_from_another_history_is_not_trimmed() -> TestResult {
    let mut stack = begun().await?;
    let (_, old) = archive(&stack, "archive")?;
    send(&stack, 2).await?;
    stack.operate(&["archive", "--to", &old]).await?;
    stack.nats.stop().await;
    let copy = stack.folder().join("copy");
    copy_folder(&stack.nats.store(), &copy)?;
    stack.nats.restart().await?;
    send(&stack, 4).await?;
    counted(&stack).await?;

    // No projector has looked since. The log is shorter than what was counted, and all of it is in the archive.
    restore(&mut stack, &copy).await?;
    send(&stack, 2).await?;
    let refused = trimmed(&stack, &old).await;
    assert!(!refused.is_success && refused.complaint.contains("restored to an older state"), "{refused:?}");
    assert!(refused.complaint.contains("does not contain what the log of partition 0 has"), "{refused:?}");
    // As long as what was counted, and longer.
    send(&stack, 2).await?;
    let refused = trimmed(&stack, &old).await;
    assert!(!refused.is_success && refused.complaint.contains("has grown since"), "{refused:?}");
    assert_eq!(first_sequence(&stack).await?, 1);

    let log = stack.log().await?;
    log.delete_stream("EVENTS_0").await?;
    log.create_stream(stream(0)).await?;
    send(&stack, 3).await?;
    let (_, new) = archive(&stack, "new")?;
    let refused = trimmed(&stack, &new).await;
    assert!(!refused.is_success && refused.complaint.contains("deleted and made anew"), "{refused:?}");
    assert_eq!(first_sequence(&stack).await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_generation_that_is_begun_while_the_log_is_trimmed_keeps_its_beginning() -> TestResult {
    let stack = begun().await?;
    let (_, folder) = archive(&stack, "archive")?;
    send(&stack, 4).await?;
    counted(&stack).await?;
    let pool = stack.database(DATABASE)?;
    let mut begins = pool.begin().await?;
    sqlx::query("lock table generation in share row exclusive mode").execute(&mut *begins).await?;
    let rebuild = async {
        wait::until("all has been compared", SETTLED_BOUND, async || {
            let waits = "select exists (select from pg_locks where not granted and relation = 'generation'::regclass)";
            sqlx::query_scalar::<_, bool>(waits).fetch_one(&pool).await.ok()?.then_some(())
        })
        .await;
        let create =
            "select create_generation(fold_version, sketch_key_id, event_id_window_s, 'building') from generation";
        sqlx::query(create).execute(&mut *begins).await?;
        anyhow::Ok(begins.commit().await?)
    };
    let (refused, begun) = tokio::join!(trimmed(&stack, &folder), rebuild);
    begun?;
    assert!(!refused.is_success && refused.complaint.contains("generation 2, which is building"), "{refused:?}");
    assert_eq!(first_sequence(&stack).await?, 1);
    Ok(())
}

#[tokio::test]
async fn an_archive_goes_on_with_no_other_log() -> TestResult {
    let stack = begun().await?;
    let (folder, old) = archive(&stack, "archive")?;
    send(&stack, 3).await?;
    counted(&stack).await?;
    stack.operate(&["archive", "--to", &old]).await?;
    let sums = std::fs::read_to_string(folder.join("EVENTS_0/SHA256SUMS"))?;
    let log = stack.log().await?;
    log.delete_stream("EVENTS_0").await?;
    let events = log.create_stream(stream(0)).await?;

    send(&stack, 2).await?;
    let refused = stack.operate_with(&[], &["archive", "--to", &old]).await?;
    assert!(!refused.is_success && refused.complaint.contains("ends at sequence 3, but its log at 2"), "{refused:?}");
    send(&stack, 3).await?;
    let refused = stack.operate_with(&[], &["archive", "--to", &old]).await?;
    assert!(!refused.is_success && refused.complaint.contains("is of another log"), "{refused:?}");
    assert_eq!(std::fs::read_to_string(folder.join("EVENTS_0/SHA256SUMS"))?, sums, "nothing was added");
    let (_, new) = archive(&stack, "new")?;
    let said = stack.operate(&["archive", "--to", &new]).await?;
    assert!(said.contains("sequences 1 to 5 are archived; there were 0 before"), "{said}");

    // What the new log lacks is not taken from an archive of the old one.
    events.purge().sequence(3).await?;
    let refused = stack.operate_on_log(&["restore", "--from", &old]).await?;
    assert!(!refused.is_success && refused.complaint.contains("is of another log"), "{refused:?}");
    let said = stack.operate_on_log(&["restore", "--from", &new]).await?;
    assert!(said.is_success && said.text.contains("sequences 1 to 2 are back"), "{said:?}");
    // What stands for an envelope tells as well which log it is.
    events.purge().await?;
    let said = stack.operate_on_log(&["restore", "--from", &new]).await?;
    assert!(said.is_success && said.text.contains("sequences 1 to 5 are back"), "{said:?}");
    let said = stack.operate(&["archive", "--to", &new]).await?;
    assert!(said.contains("sequences 1 to 5 are archived; there were 5 before"), "{said}");
    Ok(())
}
