use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use async_nats::jetstream;
use async_nats::jetstream::stream::{Config, DiscardPolicy};
use futures_util::future::try_join_all;
use testkit::clients::load::{self, Load, event};
use testkit::failure::TestResult;
use testkit::observe::log;
use testkit::observe::snapshot::views_by_path;
use testkit::stack::{DATABASE, Stack};
use testkit::wait;

const SOON: Duration = Duration::from_secs(30);

const CLIENTS: usize = 16;

const CONF: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../nats/server.conf");

/// A change of a stream's configuration.
type Edit = fn(Config) -> Config;

async fn readyz(stack: &Stack, status: u16) -> Result<String> {
    wait::until(&format!("/readyz is {status}"), SOON, async || {
        (stack.ingest_client.get("/readyz").await.ok()?.status == status).then_some(())
    })
    .await;
    Ok(stack.ingest_client.get("/readyz").await?.text)
}

async fn more_acknowledged(load: &Load, more: u64) {
    let wanted = load.acknowledged() + more;
    wait::until("events are acknowledged", SOON, async || (load.acknowledged() >= wanted).then_some(())).await;
}

/// From now on nothing is acknowledged, but what was on its way: one answer a client.
async fn nothing_more_acknowledged(load: &Load) {
    let (acknowledged, refused) = (load.acknowledged(), load.refused());
    wait::until("events are refused", SOON, async || (load.refused() >= refused + 1_000).then_some(())).await;
    let late = load.acknowledged() - acknowledged;
    assert!(late <= CLIENTS as u64, "{late} events were acknowledged");
}

/// The project's configuration of a server, with another line in it.
fn write_conf(path: &Path, line: &str, other: &str) -> Result<()> {
    let conf = std::fs::read_to_string(CONF).context("reading the configuration")?;
    let changed = conf.replace(line, other);
    assert_ne!(conf, changed);
    std::fs::write(path, changed).context("writing a configuration")
}

#[tokio::test]
async fn a_stream_that_is_edited_under_load_gets_nothing_more_until_it_is_right_again() -> TestResult {
    let stack = Stack::servers().await?;
    let operator = stack.log().await?;
    let ingest = stack.ingest(&[]).await?;
    let declared = log::declared(1);
    let edits: [(&str, Edit); 6] = [
        ("--discard new", |config| Config { discard: DiscardPolicy::Old, max_messages: 5, ..config }),
        ("--max-age 0s", |config| Config { max_age: Duration::from_hours(1), ..config }),
        ("--max-msgs-per-subject=-1", |config| Config { max_messages_per_subject: 5, ..config }),
        ("--no-allow-rollup", |config| Config { allow_rollup: true, ..config }),
        ("--dupe-window 2m", |config| Config { duplicate_window: Duration::from_secs(1), ..config }),
        ("--max-msg-size 1048576", |config| Config { max_message_size: 1_000, ..config }),
    ];
    for (change, edit) in edits {
        let load = Load::start(&stack.ingest_client, CLIENTS);
        more_acknowledged(&load, 100).await;
        operator.update_stream(edit(declared.clone())).await?;
        let answer = readyz(&stack, 503).await?;
        assert!(!answer.contains("EVENTS_1"), "/readyz tells classes, not names: {answer}");
        nothing_more_acknowledged(&load).await;
        let said = ingest.log_tail(1_000);
        assert!(said.contains(&format!("nats stream edit EVENTS_1 {change}")), "{change}: {said}");
        operator.update_stream(declared.clone()).await?;
        readyz(&stack, 200).await?;
        more_acknowledged(&load, 100).await;
    }
    let answer = stack.ingest_client.get("/metrics").await?.text;
    assert!(answer.contains("ingest_events_unconfirmed_total{reason=\"log_unsafe\"}"), "{answer}");
    assert_eq!(ingest.exit_status(), None);
    Ok(())
}

#[tokio::test]
async fn a_sealed_stream_is_no_passing_failure() -> TestResult {
    let stack = Stack::servers().await?;
    let operator = stack.log().await?;
    let ingest = stack.ingest(&[("PARTITIONS", "1")]).await?;
    assert_eq!(stack.ingest_client.post("/event", event("site", "/")).await?.status, 200);
    operator.update_stream(Config { sealed: true, ..log::declared(0) }).await?;
    let answer = stack.ingest_client.post("/event", event("site", "/")).await?;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("log_unsafe")), "{}", answer.text);
    readyz(&stack, 503).await?;
    wait::until("ingest says what is wrong", SOON, async || {
        ingest.log_tail(1_000).contains("stream EVENTS_0 is sealed").then_some(())
    })
    .await;
    assert_eq!(ingest.exit_status(), None);
    Ok(())
}

#[tokio::test]
async fn a_log_that_lets_ingest_publish_nothing_is_no_slow_one() -> TestResult {
    let folder = tempfile::tempdir()?;
    let conf = folder.path().join("server.conf");
    write_conf(&conf, "\"events.*\", ", "")?;
    let mut stack = Stack::servers_with(Some(&conf)).await?;
    let ingest = stack.ingest(&[("PARTITIONS", "1"), ("PUBLISH_DEADLINE_MS", "3000")]).await?;
    let answer = stack.ingest_client.post("/event", event("site", "/")).await?;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("log_unsafe")), "{}", answer.text);
    let answer = readyz(&stack, 503).await?;
    assert!(answer.contains("the log refuses what ingest publishes"), "{answer}");
    let said = ingest.log_tail(1_000);
    assert!(said.contains("give it the permissions of ingest in nats/server.conf"), "{said}");
    std::fs::copy(CONF, &conf)?;
    stack.nats.restart().await?;
    wait::until("an event is stored", SOON, async || {
        (stack.ingest_client.post("/event", event("site", "/")).await.ok()?.status == 200).then_some(())
    })
    .await;
    readyz(&stack, 200).await?;
    Ok(())
}

/// All of it is acknowledged and counted, with many clients whose events are gathered, and in large requests.
async fn check_all_is_taken(stack: &Stack, operator: &jetstream::Context) -> Result<()> {
    let load = Load::start(&stack.ingest_client, 256);
    let long = "x".repeat(1_900);
    let batch = |number: usize| {
        let events = (0..100).map(|line| event("batch", &format!("/{number}/{line}/{long}")));
        events.collect::<Vec<_>>().join("\n")
    };
    for number in 0..5 {
        let answer = stack.ingest_client.post("/events", batch(number)).await?;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    more_acknowledged(&load, 2_000).await;
    let heard = load.stop().await;
    assert!(heard.refused.is_empty() && heard.unanswered.is_empty(), "{:?}", heard.refused.first_key_value());
    let _projector = stack.projector(DATABASE, &[]).await?;
    stack.drained_to(&log::ends(operator).await?, DATABASE).await?;
    heard.check_counted(&views_by_path(&stack.database(DATABASE)?, load::SITES).await?);
    assert_eq!(views_by_path(&stack.database(DATABASE)?, "batch").await?.len(), 500);
    Ok(())
}

#[tokio::test]
async fn envelopes_are_made_to_fit_a_smaller_max_payload() -> TestResult {
    let folder = tempfile::tempdir()?;
    let conf = folder.path().join("server.conf");
    write_conf(&conf, "max_payload: 1MB", "max_payload: 34KB")?;
    let mut stack = Stack::servers_with(Some(&conf)).await?;
    let ingest = stack.ingest(&[]).await?;
    check_all_is_taken(&stack, &stack.log().await?).await?;

    // One that takes no large event stops all, until it does.
    write_conf(&conf, "max_payload: 1MB", "max_payload: 32KB")?;
    stack.nats.restart().await?;
    wait::until("ingest says what to change", SOON, async || {
        ingest.log_tail(1_000).contains("set `max_payload: 1MB`").then_some(())
    })
    .await;
    readyz(&stack, 503).await?;
    std::fs::copy(CONF, &conf)?;
    stack.nats.restart().await?;
    readyz(&stack, 200).await?;
    assert_eq!(ingest.exit_status(), None);
    Ok(())
}

/// A server tells the bound of an account where the client library does not look: it shows when the connection is closed.
#[tokio::test]
async fn envelopes_are_made_to_fit_what_the_account_takes() -> TestResult {
    let folder = tempfile::tempdir()?;
    let conf = folder.path().join("server.conf");
    write_conf(&conf, "    jetstream: enabled\n", "    jetstream: enabled\n    limits { max_payload: 64KB }\n")?;
    let stack = Stack::servers_with(Some(&conf)).await?;
    let ingest = stack.ingest(&[]).await?;
    let long = "x".repeat(1_900);
    let events: Vec<String> = (0..100).map(|line| event("found", &format!("/{line}/{long}"))).collect();
    wait::until("a batch is made to fit", SOON, async || {
        let answer = stack.ingest_client.post("/events", events.join("\n")).await.ok()?;
        assert!([200, 503].contains(&answer.status), "{}", answer.text);
        (answer.status == 200).then_some(())
    })
    .await;
    readyz(&stack, 200).await?;
    check_all_is_taken(&stack, &stack.log().await?).await?;
    assert!(ingest.log_tail(10_000).contains("The account of ingest takes smaller messages than its server"));
    Ok(())
}

#[tokio::test]
async fn an_account_that_takes_no_large_event_is_refused() -> TestResult {
    let folder = tempfile::tempdir()?;
    let conf = folder.path().join("server.conf");
    write_conf(&conf, "    jetstream: enabled\n", "    jetstream: enabled\n    limits { max_payload: 16KB }\n")?;
    let stack = Stack::servers_with(Some(&conf)).await?;
    let ingest = stack.ingest(&[]).await?;
    let long = "x".repeat(1_900);
    let events: Vec<String> = (0..100).map(|line| event("found", &format!("/{line}/{long}"))).collect();
    wait::until("ingest says what to change", SOON, async || {
        let _ = stack.ingest_client.post("/events", events.join("\n")).await;
        ingest.log_tail(10_000).contains("raise `max_payload` in the limits of the account").then_some(())
    })
    .await;
    let answer = readyz(&stack, 503).await?;
    assert!(answer.contains("the log does not accept events of the maximum size"), "{answer}");
    assert_eq!(stack.ingest_client.post("/event", event("found", "/")).await?.json()["code"], "log_unsafe");
    Ok(())
}

#[tokio::test]
async fn envelopes_are_made_to_fit_a_smaller_stream() -> TestResult {
    let stack = Stack::servers().await?;
    let operator = stack.log().await?;
    let _ingest = stack.ingest(&[]).await?;
    assert_eq!(stack.ingest_client.post("/event", event("grow", "/")).await?.status, 200);
    // After ingest has looked: what is too large now is published in parts.
    for partition in 0..4 {
        operator.update_stream(Config { max_message_size: 34_000, ..log::declared(partition) }).await?;
    }
    let long = "x".repeat(500);
    for round in 0..4 {
        let posts = (0..256)
            .map(|number| stack.ingest_client.post("/event", event("grow", &format!("/{round}/{number}/{long}"))));
        for answer in try_join_all(posts).await? {
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
    }
    wait::until("a large request fits", SOON, async || {
        let events: Vec<String> =
            (0..100).map(|line| event("fits", &format!("/{line}/{}", "x".repeat(1_900)))).collect();
        (stack.ingest_client.post("/events", events.join("\n")).await.ok()?.status == 200).then_some(())
    })
    .await;
    Ok(check_all_is_taken(&stack, &operator).await?)
}
