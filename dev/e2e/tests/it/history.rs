use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use async_nats::jetstream::stream::{Config, DiscardPolicy};
use futures_util::TryStreamExt;
use testkit::failure::TestResult;
use testkit::stack::{DATABASE, Projector, Stack};
use testkit::wait;

pub(crate) const SOON: Duration = Duration::from_secs(30);

pub(crate) fn event(site: &str) -> String {
    format!(r#"{{"site_id":"{site}","event_type":"page_view","path":"/","timestamp":"2025-11-12T19:30:01Z"}}"#)
}

/// As the declared one, but an operator may delete from it.
pub(crate) fn stream(partition: u16) -> Config {
    Config {
        name: format!("EVENTS_{partition}"),
        subjects: vec![format!("events.{partition}")],
        discard: DiscardPolicy::New,
        ..Default::default()
    }
}

/// An event with an id, which is its site's name.
fn event_with_id(site: &str) -> String {
    event(site).replacen('{', &format!(r#"{{"event_id":"{site}","#), 1)
}

pub(crate) async fn says(projector: &Projector, part: &str) {
    wait::until(part, SOON, async || {
        let answer = projector.client.get("/readyz").await.ok()?;
        (answer.status == 503 && answer.error().contains(part)).then_some(())
    })
    .await;
}

pub(crate) async fn views(stack: &Stack, site: &str) -> Result<i64> {
    let views = sqlx::query_scalar("select coalesce(sum(views), 0)::bigint from view_total where site_id = $1");
    Ok(views.bind(site).fetch_one(&stack.database(DATABASE)?).await?)
}

#[tokio::test]
async fn a_gap_stops_its_partition_and_no_other() -> TestResult {
    let stack = Stack::servers().await?;
    let log = stack.log().await?;
    for partition in 0..2 {
        log.create_stream(stream(partition)).await?;
        for site in ["first", "second", "third"] {
            log.publish(format!("events.{partition}"), event(site).into()).await?.await?;
        }
    }
    assert!(log.get_stream("EVENTS_0").await?.delete_message(2).await?);
    let projector = stack.projector(DATABASE, &[]).await?;
    says(&projector, "partition 0 stands still: sequences 2 to 2 are gone").await;
    wait::until("the other partition is folded", SOON, async || {
        (views(&stack, "third").await.ok()? == 1).then_some(())
    })
    .await;
    assert_eq!(
        (views(&stack, "first").await?, views(&stack, "second").await?),
        (2, 1),
        "what lies before the gap counts"
    );
    let metrics = projector.client.get("/metrics").await?.text;
    assert!(metrics.contains("projector_partition_halted{generation=\"1\",partition=\"0\"} 1"), "{metrics}");
    assert!(metrics.contains("projector_partition_halted{generation=\"1\",partition=\"1\"} 0"), "{metrics}");
    let said = projector.process.log_tail(1_000).matches("is halted until an operator acts").count();
    assert_eq!(said, 1, "said once, not at every look");
    Ok(())
}

#[tokio::test]
async fn a_stream_that_begins_behind_the_checkpoint_stops_its_partition() -> TestResult {
    let stack = Stack::servers().await?;
    let log = stack.log().await?;
    let stream = log.create_stream(stream(0)).await?;
    for site in ["first", "second", "third"] {
        log.publish("events.0", event(site).into()).await?.await?;
    }
    stream.purge().sequence(3).await?;
    let projector = stack.projector(DATABASE, &[]).await?;
    says(&projector, "sequences 1 to 2 are gone").await;
    assert_eq!(views(&stack, "third").await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_stream_that_was_made_anew_stops_its_partition() -> TestResult {
    let stack = Stack::servers().await?;
    let log = stack.log().await?;
    log.create_stream(stream(0)).await?;
    log.publish("events.0", event("first").into()).await?.await?;
    let projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    log.delete_stream("EVENTS_0").await?;
    log.create_stream(stream(0)).await?;
    log.publish("events.0", event("second").into()).await?.await?;
    says(&projector, "it was deleted and made anew").await;
    assert_eq!((views(&stack, "first").await?, views(&stack, "second").await?), (1, 0));
    Ok(())
}

/// Brings the log back to what it was when `copy` was made of it.
pub(crate) async fn restore(stack: &mut Stack, copy: &Path) -> Result<()> {
    stack.nats.stop().await;
    std::fs::remove_dir_all(stack.nats.store())?;
    copy_folder(copy, &stack.nats.store())?;
    stack.nats.restart().await
}

pub(crate) fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    let status = Command::new("cp").arg("-a").args([from, to]).status()?;
    anyhow::ensure!(status.success(), "cp ended with {status}");
    Ok(())
}

/// A log with `first`, a copy of its folder, and then `second` and `third` in the log, all of it folded.
async fn stack_with_copy(copy: &Path) -> TestResult<(Stack, Projector)> {
    let mut stack = Stack::servers().await?;
    let log = stack.log().await?;
    log.create_stream(stream(0)).await?;
    log.publish("events.0", event("first").into()).await?.await?;
    stack.nats.stop().await;
    copy_folder(&stack.nats.store(), copy)?;
    stack.nats.restart().await?;
    let log = stack.log().await?;
    for site in ["second", "third"] {
        log.publish("events.0", event_with_id(site).into()).await?.await?;
    }
    let projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    Ok((stack, projector))
}

#[tokio::test]
async fn a_stream_that_was_restored_to_an_older_state_stops_its_partition() -> TestResult {
    let folder = tempfile::tempdir()?;
    let copy = folder.path().join("copy");
    let (mut stack, projector) = stack_with_copy(&copy).await?;
    restore(&mut stack, &copy).await?;
    says(&projector, "the stream ends at sequence 1, but sequence 3 was counted").await;
    stack.operate(&["acknowledge", "--partition", "0", "--to", "1", "--by", "operator"]).await?;
    // Sequences that were given before, and with them a client that sends again what the log has lost.
    let log = stack.log().await?;
    for site in ["third", "new", "newer"] {
        log.publish("events.0", event_with_id(site).into()).await?.await?;
        stack.drained(DATABASE).await?;
    }
    assert_eq!((views(&stack, "new").await?, views(&stack, "newer").await?), (1, 1), "what is new counts");
    assert_eq!((views(&stack, "first").await?, views(&stack, "third").await?), (1, 1), "nothing counts twice");
    Ok(())
}

#[tokio::test]
async fn a_stream_that_was_restored_and_has_grown_since_stops_its_partition() -> TestResult {
    let folder = tempfile::tempdir()?;
    let copy = folder.path().join("copy");
    let (mut stack, projector) = stack_with_copy(&copy).await?;
    projector.process.stop().await;
    restore(&mut stack, &copy).await?;
    // By its name, its age and its length it could be the one that was folded.
    for site in ["new", "new", "new"] {
        stack.log().await?.publish("events.0", event(site).into()).await?.await?;
    }
    let projector = stack.projector(DATABASE, &[]).await?;
    says(&projector, "restored to an older state and has grown since").await;
    assert_eq!(views(&stack, "new").await?, 0);
    stack.operate(&["acknowledge", "--partition", "0", "--to", "1", "--by", "operator"]).await?;
    wait::until("all that is new counts", SOON, async || (views(&stack, "new").await.ok()? == 3).then_some(())).await;
    Ok(())
}

/// A stream was lost and made anew, what stood for its envelopes was left behind, and an envelope of the new one is not
/// delivered at once.
#[tokio::test]
async fn what_another_log_left_takes_the_place_of_no_envelope_that_is_late() -> TestResult {
    let stack = Stack::servers().await?;
    let log = stack.log().await?;
    let events = log.create_stream(stream(0)).await?;
    let subjects = vec!["amended.0.*".to_owned()];
    log.create_stream(Config { name: "AMENDED_0".to_owned(), subjects, ..Config::default() }).await?;
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Logged-At", "2020-01-01T00:00:00.000000000Z");
    log.publish_with_headers("amended.0.2", headers, event("left").into()).await?.await?;
    log.publish("events.0", event("before").into()).await?.await?;
    let projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;

    let consumers: Vec<String> = events.consumer_names().try_collect().await?;
    assert_eq!(consumers.len(), 1, "{consumers:?}");
    events.pause_consumer(&consumers[0], (SystemTime::now() + 2 * SOON).into()).await?;
    log.publish("events.0", event("late").into()).await?.await?;
    stack.drained(DATABASE).await?;
    assert_eq!((views(&stack, "late").await?, views(&stack, "left").await?), (1, 0));
    assert_eq!(projector.client.get("/readyz").await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn new_streams_are_noticed_and_events_published_by_hand_count() -> TestResult {
    let stack = Stack::servers().await?;
    let log = stack.log().await?;
    let projector = stack.projector(DATABASE, &[]).await?;
    log.create_stream(stream(7)).await?;
    log.publish("events.7", event("by-hand").into()).await?.await?;
    wait::until("the new partition is folded", SOON, async || {
        (views(&stack, "by-hand").await.ok()? == 1).then_some(())
    })
    .await;
    assert_eq!(projector.client.get("/readyz").await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_read_is_parked_visibly_and_the_rest_counts() -> TestResult {
    let stack = Stack::servers().await?;
    let log = stack.log().await?;
    log.create_stream(stream(0)).await?;
    let nul_in_path = event("a").replace("\"/\"", r#""/\u0000""#);
    let body = [&event("a"), "{\"site_id\":7}", &nul_in_path, "\u{1}", &event("a")].join("\n");
    log.publish("events.0", body.into()).await?.await?;
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Schema", "event.v99");
    log.publish_with_headers("events.0", headers, event("a").into()).await?.await?;
    log.publish("events.0", bytes::Bytes::from(vec![0xff; 300_000])).await?.await?;

    let projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    assert_eq!(views(&stack, "a").await?, 2);
    let parked: Vec<(i64, i32, String)> =
        sqlx::query_as("select stream_sequence, line, reason from parked_event order by 1, 2")
            .fetch_all(&stack.database(DATABASE)?)
            .await?;
    let reasons: Vec<_> = parked.iter().map(|(sequence, line, reason)| (*sequence, *line, reason.as_str())).collect();
    assert_eq!(
        reasons,
        [
            (1, 1, "site_id must be a string"),
            (
                1,
                2,
                "path must start with \"/\", be at most 2048 bytes long without query and fragment, and contain no NUL character"
            ),
            (1, 3, "an event must be valid JSON: expected value at line 1 column 1"),
            (2, -1, "schema \"event.v99\" is unknown"),
            (3, -1, "an envelope must be at most 262144 bytes long"),
        ]
    );
    let metrics = projector.client.get("/metrics").await?.text;
    assert!(metrics.contains("projector_parked_events_total{generation=\"1\",partition=\"0\"} 5"), "{metrics}");
    Ok(())
}
