use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use launcher::process::Process;
use testkit::clients::load::event;
use testkit::failure::TestResult;
use testkit::observe::log;
use testkit::stack::{DATABASE, Stack};
use testkit::wait;

const SOON: Duration = Duration::from_secs(30);

/// The process ends in failure, and the end of its log is one line that says what to change. Answers that line.
async fn refusal(process: &Process) -> Result<String> {
    let ended = tokio::time::timeout(SOON, process.exit().wait()).await;
    let status = ended.with_context(|| format!("it runs on: {}", process.log_tail(5)))?;
    assert!(!status.success(), "it ended with {status}");
    Ok(process.log_tail(1))
}

async fn ready(stack: &Stack) {
    wait::until("ingest is ready", SOON, async || {
        (stack.ingest_client.get("/readyz").await.ok()?.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn ingest_refuses_streams_that_break_a_promise() -> TestResult {
    let stack = Stack::servers().await?;
    let operator = stack.log().await?;
    let declared = log::declared(0);
    let edit = "change it with `nats stream edit EVENTS_0";
    let anew = "copy its messages to a stream made from nats/stream.json";
    for (what, change, config) in [
        ("discards old events", edit, Config { discard: DiscardPolicy::Old, ..declared.clone() }),
        ("keeps events in memory", anew, Config { storage: StorageType::Memory, ..declared.clone() }),
        ("drops events once they are read", anew, Config { retention: RetentionPolicy::WorkQueue, ..declared.clone() }),
        ("drops events once they are read", anew, Config { retention: RetentionPolicy::Interest, ..declared.clone() }),
        ("acknowledges nothing", edit, Config { no_ack: true, ..declared.clone() }),
        (
            "must take exactly the subject events.0",
            edit,
            Config { subjects: vec!["events.0".into(), "x".into()], ..declared.clone() },
        ),
        (
            "must take exactly the subject events.0",
            edit,
            Config { subjects: vec!["events.>".into()], ..declared.clone() },
        ),
        ("keeps only the last events", edit, Config { max_messages_per_subject: 1_000, ..declared.clone() }),
        ("takes no event of 32768 bytes", edit, Config { max_message_size: 32_768, ..declared.clone() }),
        ("deletes events by their age", edit, Config { max_age: Duration::from_hours(1), ..declared.clone() }),
        ("lets one message take the place of all", edit, Config { allow_rollup: true, ..declared.clone() }),
        ("forgets envelopes", edit, Config { duplicate_window: Duration::from_secs(10), ..declared.clone() }),
    ] {
        // The server may still be clearing away the stream of the same name before it.
        wait::until(&format!("there is a stream that {what}"), SOON, async || {
            operator.create_stream(config.clone()).await.ok()
        })
        .await;
        let line = refusal(&stack.ingest_unready(&[("PARTITIONS", "1")])?).await?;
        assert!(line.contains(&format!("stream EVENTS_0 {what}")) && line.contains(change), "{line}");
        operator.delete_stream("EVENTS_0").await?;
    }
    // Made by ingest itself, as it is declared.
    let _ingest = stack.ingest(&[("PARTITIONS", "1")]).await?;
    assert_eq!(stack.ingest_client.post("/event", event("site", "/")).await?.status, 200);
    Ok(())
}

/// The configuration of the project, without the line that makes a server sync.
fn write_conf_without_sync(path: &Path) -> Result<()> {
    let conf = std::fs::read_to_string(CONF).context("reading the configuration")?;
    let unsafe_conf = conf.replace("sync_interval: always", "");
    assert_ne!(conf, unsafe_conf);
    std::fs::write(path, unsafe_conf).context("writing a configuration")
}

const CONF: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../nats/server.conf");

#[tokio::test]
async fn ingest_takes_nothing_while_the_log_does_not_sync_before_it_acknowledges() -> TestResult {
    let folder = tempfile::tempdir()?;
    let conf = folder.path().join("server.conf");
    write_conf_without_sync(&conf)?;
    let mut stack = Stack::servers_with(Some(&conf)).await?;
    let line = refusal(&stack.ingest_unready(&[])?).await?;
    assert!(line.contains("set `sync_interval: always` in the jetstream block"), "{line}");

    std::fs::copy(CONF, &conf)?;
    stack.nats.restart().await?;
    let ingest = stack.ingest(&[]).await?;
    assert_eq!(stack.ingest_client.post("/event", event("site", "/")).await?.status, 200);

    // It is edited under a running ingest: that is told, and heals by itself.
    write_conf_without_sync(&conf)?;
    stack.nats.restart().await?;
    wait::until("ingest tells what is wrong", SOON, async || {
        let answer = stack.ingest_client.get("/readyz").await.ok()?;
        (answer.status == 503 && answer.error().contains("sync_interval: always")).then_some(())
    })
    .await;
    let answer = stack.ingest_client.post("/event", event("site", "/")).await?;
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (503, "the log is not set up to keep events safe; send the event again later")
    );
    std::fs::copy(CONF, &conf)?;
    stack.nats.restart().await?;
    ready(&stack).await;
    assert_eq!(stack.ingest_client.post("/event", event("site", "/")).await?.status, 200);
    assert_eq!(ingest.exit_status(), None);
    Ok(())
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_by_name() -> TestResult {
    let stack = Stack::servers().await?;
    for (variable, value, sentence) in [
        ("PARTITIONS", "0", "PARTITIONS must be 1 to 1000"),
        ("PARTITIONS", "1001", "PARTITIONS must be 1 to 1000"),
        ("PUBLISH_DEADLINE_MS", "1", "PUBLISH_DEADLINE_MS must be 100 to 60000"),
        ("QUEUE_BYTES_MAX", "16777215", "QUEUE_BYTES_MAX must be at least 16777216"),
        ("BODIES_BYTES_MAX", "33554431", "BODIES_BYTES_MAX must be at least 33554432"),
    ] {
        let line = refusal(&stack.ingest_unready(&[(variable, value)])?).await?;
        assert!(line.contains(sentence), "{variable}={value}: {line}");
    }
    let short = "000102030405060708090a0b0c0d0e0";
    let projector = stack.projector_unready(DATABASE, &[("SKETCH_KEY", short)])?;
    let line = refusal(&projector.process).await?;
    assert!(line.contains("a sketch key has 32 hexadecimal digits"), "{line}");
    assert!(!projector.process.log_tail(1_000).contains(short), "a secret in the log");
    Ok(())
}

#[tokio::test]
async fn a_projector_with_another_key_than_the_read_models_is_refused() -> TestResult {
    let stack = Stack::servers().await?;
    let _ingest = stack.ingest(&[]).await?;
    let projector = stack.projector(DATABASE, &[]).await?;
    assert_eq!(stack.ingest_client.post("/event", event("site", "/")).await?.status, 200);
    let picture = stack.drained(DATABASE).await?;
    assert!(projector.process.stop().await.success());

    let other = "ff0102030405060708090a0b0c0d0e0f";
    let refused = stack.projector_unready(DATABASE, &[("SKETCH_KEY", other)])?;
    let line = refusal(&refused.process).await?;
    assert!(line.contains("SKETCH_KEY"), "{line}");
    assert!(!refused.process.log_tail(1_000).contains(other), "a secret in the log");
    assert_eq!(stack.drained(DATABASE).await?, picture);
    Ok(())
}

#[tokio::test]
async fn with_a_wrong_password_ingest_stays_and_says_that_it_cannot_work() -> TestResult {
    let stack = Stack::servers().await?;
    let ingest = stack.ingest_unready(&[("NATS_PASSWORD", "not-this-one"), ("PUBLISH_DEADLINE_MS", "500")])?;
    let answer = wait::until("ingest answers", SOON, async || stack.ingest_client.get("/readyz").await.ok()).await;
    assert_eq!((answer.status, answer.error().as_str()), (503, "the log is not connected"));
    assert_eq!(stack.ingest_client.get("/healthz").await?.status, 200);
    let answer = stack.ingest_client.post("/event", event("site", "/")).await?;
    assert_eq!((answer.status, answer.headers["retry-after"].to_str()?), (503, "1"), "{}", answer.text);
    wait::until("the log of ingest says why", SOON, async || {
        ingest.log_tail(1_000).to_lowercase().contains("authorization violation").then_some(())
    })
    .await;
    let said = ingest.log_tail(1_000);
    assert_eq!(said.matches("The log's connection reports").count(), 1, "told once, although it tries again and again");
    assert!(!said.contains("not-this-one"), "a secret in the log");
    assert_eq!(ingest.exit_status(), None);
    Ok(())
}
