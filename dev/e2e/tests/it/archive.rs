use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use async_nats::HeaderMap;
use async_nats::jetstream::stream::Config;
use testkit::failure::TestResult;
use testkit::observe::snapshot;
use testkit::stack::{Answered, DATABASE, Stack};
use testkit::wait;

use crate::exactly_once::{fill, folded_undisturbed, traffic};

/// As if ingest gave up at once: what is 5 seconds old is not sent again.
const DEADLINE: [&str; 2] = ["--publish-deadline-ms", "1"];

const SETTLED_BOUND: Duration = Duration::from_mins(1);

/// A stack with traffic in two partitions, all of it counted.
async fn filled() -> TestResult<(Stack, testkit::stack::Projector)> {
    let stack = Stack::servers().await?;
    stack.ingest(&[("PARTITIONS", "2")]).await?.stop().await;
    for partition in 0..2 {
        fill(&stack.log().await?, &format!("events.{partition}"), &traffic()[..1_500], &[1, 5, 13]).await?;
    }
    let projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    Ok((stack, projector))
}

/// What a command that trims answers, once nothing stays because ingest may still send it again.
async fn settled(run: impl AsyncFn() -> Result<Answered>) -> Answered {
    wait::until("everything is old enough", SETTLED_BOUND, async || {
        run().await.ok().filter(|answered| !answered.text.contains("stay in the log until a later run"))
    })
    .await
}

/// Archives and trims, once everything is old enough.
async fn trimmed(stack: &Stack, archive: &str, more: &[&str]) -> Answered {
    let trim = [&["archive", "--to", archive, "--trim"][..], &DEADLINE, more].concat();
    settled(async || stack.operate_on_log(&trim).await).await
}

async fn first_sequence(stack: &Stack, partition: u16) -> Result<u64> {
    let stream = stack.log().await?.get_stream(format!("EVENTS_{partition}")).await?;
    Ok(stream.cached_info().state.first_sequence)
}

#[tokio::test]
async fn what_is_archived_and_trimmed_counts_again_once_it_is_restored() -> TestResult {
    let (stack, _projector) = filled().await?;
    let before = snapshot::read_models(&stack.database(DATABASE)?).await?;
    let folder = stack.folder().join("archive");
    let archive = folder.to_str().context("a path in UTF-8")?;

    let said = stack.operate(&["archive", "--to", archive, "--before", "2020-01-01T00:00:00Z", "--trim"]).await?;
    assert!(said.contains("no sequences are archived") && first_sequence(&stack, 0).await? == 1, "{said}");
    let said = stack.operate(&["archive", "--to", archive]).await?;
    let end = stack.end_of_partition_0().await?;
    assert!(said.contains(&format!("sequences 1 to {end} are archived; there were 0 before")), "{said}");
    let checked =
        Command::new("sha256sum").args(["--check", "SHA256SUMS"]).current_dir(folder.join("EVENTS_0")).output()?;
    assert!(checked.status.success(), "{checked:?}");

    // More comes, and a second run writes no more than that.
    fill(&stack.log().await?, "events.0", &traffic()[1_500..1_800], &[3]).await?;
    let counted = stack.drained(DATABASE).await?;
    assert_ne!(counted, before);
    let trim = [&["archive", "--to", archive, "--trim"][..], &DEADLINE].concat();
    let refused = settled(async || stack.operate_with(&[], &trim).await).await;
    assert!(!refused.is_success && refused.complaint.contains("the log's user `operator`"), "{refused:?}");
    assert_eq!(fs::read_dir(folder.join("EVENTS_0"))?.count(), 3, "two files and their checksums");
    let said = trimmed(&stack, archive, &[]).await;
    let end = stack.end_of_partition_0().await?;
    assert!(said.is_success && said.text.contains(&format!("the log begins at sequence {}", end + 1)), "{said:?}");
    assert_eq!(first_sequence(&stack, 0).await?, u64::try_from(end)? + 1);

    // Who counts goes on; who wants to count anew has to restore first.
    fill(&stack.log().await?, "events.0", &traffic()[1_800..2_000], &[3]).await?;
    let counted = stack.drained(DATABASE).await?;
    for command in [&["rebuild"][..], &["verify"], &["forget", "--site", "made-up.example"]] {
        let refused = stack.operate_on_log(command).await?;
        assert!(!refused.is_success && refused.complaint.contains("sequence"), "{command:?}: {refused:?}");
    }
    let said = stack.operate_on_log(&["restore", "--from", archive]).await?;
    assert!(said.is_success && said.text.contains(&format!("sequences 1 to {end} are back")), "{said:?}");
    assert!(stack.operate(&["verify"]).await?.contains("nothing differs"));
    assert!(stack.operate(&["rebuild"]).await?.contains("nothing differs"));
    assert_eq!(folded_undisturbed(&stack, "again").await?, counted, "row by row and sketch byte by byte");

    fill(&stack.log().await?, "events.0", &traffic()[..20], &[3]).await?;
    stack.drained(DATABASE).await?;
    let said = stack.operate_on_log(&["archive", "--to", archive, "--trim"]).await?;
    assert!(!said.is_success && said.complaint.contains("retired"), "the one before is behind: {said:?}");
    Ok(())
}

/// Until so many bytes are left, or what came before a time has gone.
#[tokio::test]
async fn what_is_trimmed_is_as_old_or_as_much_as_was_said_and_no_more() -> TestResult {
    let (stack, _projector) = filled().await?;
    let folder = stack.folder().join("archive");
    let archive = folder.to_str().context("a path in UTF-8")?;
    let log = stack.log().await?;
    let event = traffic()[0].clone();
    let mut headers = HeaderMap::new();
    headers.insert("Schema", "event.v1");
    for _ in 0..50 {
        log.publish_with_headers("events.0", headers.clone(), event.clone().into()).await?.await?;
    }
    stack.drained(DATABASE).await?;
    let state = async || anyhow::Ok(log.get_stream("EVENTS_0").await?.cached_info().state.clone());
    let whole = state().await?;
    // Everything is in the archive, and still no more goes than was said.
    stack.operate(&["archive", "--to", archive]).await?;

    let stays = log.get_stream("EVENTS_0").await?.get_raw_message(100).await?.time;
    let before = stays.to_rfc3339_opts(chrono::SecondsFormat::Nanos, true);
    let said = trimmed(&stack, archive, &["--before", &before]).await;
    assert!(said.is_success && state().await?.first_sequence == 100, "{said:?}");

    // The last 40 envelopes are alike: each takes the same room.
    let of_one = {
        let before = state().await?.bytes;
        log.publish_with_headers("events.0", headers.clone(), event.clone().into()).await?.await?;
        state().await?.bytes - before
    };
    stack.drained(DATABASE).await?;
    for (keep, left) in [(of_one * 40, 40), (of_one * 21 - 1, 20), (of_one * 20, 20)] {
        let keep = keep.to_string();
        let said = trimmed(&stack, archive, &["--keep-bytes", &keep]).await;
        assert!(said.is_success, "{said:?}");
        assert_eq!(state().await?.messages, left, "as much as fits into {keep} bytes");
    }
    let end = state().await?.last_sequence;
    let said = stack.operate_on_log(&["restore", "--from", archive]).await?;
    assert!(said.is_success && said.text.contains(&format!("sequences 1 to {} are back", end - 20)), "{said:?}");
    assert!(stack.operate(&["verify"]).await?.contains("nothing differs"));
    assert!(whole.last_sequence == end - 1);
    Ok(())
}

#[tokio::test]
async fn what_is_not_archived_or_not_counted_or_damaged_is_not_trimmed() -> TestResult {
    let (stack, projector) = filled().await?;
    let folder = stack.folder().join("archive");
    let archive = folder.to_str().context("a path in UTF-8")?;
    projector.process.stop().await;
    fill(&stack.log().await?, "events.1", &traffic()[1_500..1_600], &[3]).await?;
    let refused = stack.operate_on_log(&["archive", "--to", archive, "--trim"]).await?;
    assert!(
        !refused.is_success && refused.complaint.contains("which is active, contains partition 1 only"),
        "{refused:?}"
    );
    assert_eq!(first_sequence(&stack, 1).await?, 1);

    let _projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    let files = fs::read_dir(folder.join("EVENTS_1"))?.map(|entry| Ok(entry?.path()));
    let files: Vec<_> =
        files.filter(|path| path.as_ref().is_ok_and(|path| path.extension().is_some())).collect::<Result<_>>()?;
    let text = fs::read_to_string(&files[0])?;
    fs::write(&files[0], text.replacen("page_view", "page_viem", 1))?;
    let refused = stack.operate_on_log(&["archive", "--to", archive, "--trim"]).await?;
    assert!(!refused.is_success && refused.complaint.contains("is damaged"), "{refused:?}");
    assert_eq!(first_sequence(&stack, 1).await?, 1);
    fs::write(&files[0], text)?;

    // An archive that was not named has what was erased; so the two are not the same any more.
    let said = stack.operate_on_log(&["restore", "--from", archive]).await?;
    assert!(said.is_success, "{said:?}");
    let whom = ["forget", "--site", "made-up.example", "--user", "user-7", "--publish-deadline-ms", "1"];
    let said = stack.operate_on_log(&whom).await?;
    assert!(said.is_success, "{said:?}");
    let refused = stack.operate_on_log(&["archive", "--to", archive, "--trim"]).await?;
    assert!(!refused.is_success && refused.complaint.contains("without naming this archive"), "{refused:?}");
    assert_eq!(first_sequence(&stack, 1).await?, 1);
    let said = stack.operate_on_log(&[&whom[..], &["--archive", archive]].concat()).await?;
    assert!(said.is_success, "{said:?}");
    let said = trimmed(&stack, archive, &[]).await;
    assert!(said.is_success && first_sequence(&stack, 1).await? > 1, "{said:?}");
    Ok(())
}

/// A log was lost and made anew, and what stood for its envelopes was left behind.
#[tokio::test]
async fn what_stands_for_envelopes_of_another_log_is_not_taken_for_restored() -> TestResult {
    let (stack, _projector) = filled().await?;
    let folder = stack.folder().join("archive");
    let archive = folder.to_str().context("a path in UTF-8")?;
    let said = trimmed(&stack, archive, &[]).await;
    assert!(said.is_success, "{said:?}");
    let log = stack.log().await?;
    let subjects = vec!["amended.0.*".to_owned()];
    log.create_stream(Config { name: "AMENDED_0".to_owned(), subjects, ..Config::default() }).await?;
    let mut headers = HeaderMap::new();
    headers.insert("Logged-At", "2020-01-01T00:00:00.000000000Z");
    log.publish_with_headers("amended.0.7", headers, "".into()).await?.await?;
    let refused = stack.operate_on_log(&["restore", "--from", archive]).await?;
    assert!(!refused.is_success && refused.complaint.contains("is not of this log"), "{refused:?}");
    log.delete_stream("AMENDED_0").await?;
    let said = stack.operate_on_log(&["restore", "--from", archive]).await?;
    assert!(said.is_success, "{said:?}");
    assert!(stack.operate(&["verify"]).await?.contains("nothing differs"));
    Ok(())
}

#[tokio::test]
async fn what_is_forgotten_is_forgotten_in_archives_too() -> TestResult {
    let (stack, _projector) = filled().await?;
    let folder = stack.folder().join("archive");
    let archive = folder.to_str().context("a path in UTF-8")?;
    trimmed(&stack, archive, &[]).await;
    fill(&stack.log().await?, "events.0", &traffic()[1_500..1_600], &[3]).await?;
    stack.drained(DATABASE).await?;
    let said = stack.operate_on_log(&["restore", "--from", archive]).await?;
    assert!(said.is_success, "{said:?}");
    let whom =
        ["forget", "--site", "made-up.example", "--user", "user-7", "--publish-deadline-ms", "1", "--archive", archive];
    let dry = stack.operate_on_log(&[&whom[..], &["--dry-run"]].concat()).await?;
    let said = stack.operate_on_log(&whom).await?;
    assert!(said.is_success && said.text.contains("Done: "), "{said:?}");
    assert!(
        said.text.contains(dry.text.lines().last().unwrap_or_default().replace("would be ", "").as_str()),
        "{dry:?} {said:?}"
    );
    let counted = stack.drained(DATABASE).await?;
    let mut text = String::new();
    for partition in ["EVENTS_0", "EVENTS_1"] {
        for entry in fs::read_dir(folder.join(partition))? {
            text += &fs::read_to_string(entry?.path())?;
        }
    }
    assert!(!text.contains(r#"\"user-7\""#) && text.contains(r#"\"user-70\""#), "and no other user");

    // Trimmed and restored once more, the archive says what the log said.
    let said = trimmed(&stack, archive, &[]).await;
    assert!(said.is_success, "{said:?}");
    for name in ["EVENTS_0", "EVENTS_1", "AMENDED_0", "AMENDED_1"] {
        let left = stack.log().await?.get_stream(name).await?.cached_info().state.messages;
        assert_eq!(left, 0, "nothing is left in {name}");
    }
    let said = stack.operate_on_log(&["restore", "--from", archive]).await?;
    assert!(said.is_success, "{said:?}");
    assert_eq!(folded_undisturbed(&stack, "again").await?, counted, "row by row and sketch byte by byte");
    Ok(())
}

/// What is left behind it was erased, and so was the very first: the log's server then does not know where the stream
/// begins.
#[tokio::test]
async fn what_was_trimmed_before_an_erased_end_is_restored() -> TestResult {
    let stack = Stack::servers().await?;
    stack.ingest(&[("PARTITIONS", "1")]).await?.stop().await;
    let folder = stack.folder().join("archive");
    let archive = folder.to_str().context("a path in UTF-8")?;
    let log = stack.log().await?;
    let gone = r#"{"site_id":"gone.example","event_type":"page_view","path":"/","timestamp":"2025-11-12T10:00:00Z"}"#;
    log.publish("events.0", gone.into()).await?.await?;
    fill(&log, "events.0", &traffic()[..200], &[3]).await?;
    log.publish("events.0", gone.into()).await?.await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    let said = stack.operate_on_log(&["forget", "--site", "gone.example", "--publish-deadline-ms", "1"]).await?;
    assert!(said.is_success, "{said:?}");
    let counted = stack.drained(DATABASE).await?;

    let said = trimmed(&stack, archive, &["--keep-bytes", "1"]).await;
    let end = stack.end_of_partition_0().await?;
    assert!(said.is_success && said.text.contains(&format!("begins at sequence {end};")), "{said:?}");
    let said = stack.operate_on_log(&["restore", "--from", archive]).await?;
    assert!(said.is_success && said.text.contains(&format!("sequences 1 to {} are back", end - 1)), "{said:?}");
    assert!(stack.operate(&["verify"]).await?.contains("nothing differs"));
    assert_eq!(folded_undisturbed(&stack, "again").await?, counted, "row by row and sketch byte by byte");
    let said = stack.operate_on_log(&["restore", "--from", archive]).await?;
    assert!(said.is_success && said.text.contains("Partition 0: nothing is missing"), "{said:?}");
    let said = trimmed(&stack, archive, &["--keep-bytes", "1"]).await;
    assert!(said.is_success, "{said:?}");
    Ok(())
}

#[tokio::test]
async fn an_archive_that_another_command_works_on_is_left_alone() -> TestResult {
    let (stack, _projector) = filled().await?;
    let folder = stack.folder().join("archive");
    let archive = folder.to_str().context("a path in UTF-8")?;
    stack.operate(&["archive", "--to", archive]).await?;
    let lock = fs::File::options().append(true).open(folder.join("lock"))?;
    lock.lock()?;
    let whom = ["forget", "--site", "made-up.example", "--archive", archive];
    for command in [&["archive", "--to", archive][..], &["restore", "--from", archive], &whom] {
        let refused = stack.operate_on_log(command).await?;
        assert!(!refused.is_success && refused.complaint.contains("works on the archive"), "{command:?}: {refused:?}");
    }
    drop(lock);
    stack.operate(&["archive", "--to", archive]).await?;
    Ok(())
}
