use std::collections::BTreeSet;

use anyhow::{Context, Result};
use async_nats::jetstream::stream::Stream;
use chrono::{DateTime, Utc};
use futures_util::future::try_join_all;
use launcher::process::Process;
use testkit::failure::TestResult;
use testkit::stack::{DATABASE, Stack};
use testkit::wait;

use crate::faults::proxy::Wire;
use crate::history::SOON;

/// Each lost acknowledgement costs two seconds, until ingest asks again.
const LONG_DEADLINE: (&str, &str) = ("PUBLISH_DEADLINE_MS", "18000");

/// Without an `event_id`: nothing behind the log would recognise a repeat.
fn event(path: &str) -> String {
    format!(r#"{{"site_id":"a","event_type":"page_view","path":"{path}","timestamp":"2025-11-12T19:30:01Z"}}"#)
}

async fn ingest_behind(stack: &Stack, wire: &Wire) -> Result<Process> {
    stack.ingest(&[("NATS_URL", &wire.url()), ("PARTITIONS", "1"), LONG_DEADLINE]).await
}

/// The ids of all envelopes that the log holds.
async fn stored_ids(stream: &Stream) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    for sequence in 1..=stream.get_info().await?.state.last_sequence {
        let message = stream.get_raw_message(sequence).await?;
        let sent_at = message.headers.get("Sent-At").context("an envelope says when it was sent")?.to_string();
        let age = message.time.timestamp() - sent_at.parse::<DateTime<Utc>>()?.timestamp();
        assert!(sent_at.len() == "2025-11-12T19:30:01.000Z".len() && (0..=20).contains(&age), "{sent_at}, {age} s ago");
        ids.push(message.headers.get("Nats-Msg-Id").context("an envelope has an id")?.to_string());
    }
    Ok(ids)
}

async fn views(stack: &Stack) -> Result<Vec<(String, i64)>> {
    stack.drained(DATABASE).await?;
    let views = sqlx::query_as("select path, views from path_total order by path");
    Ok(views.fetch_all(&stack.database(DATABASE)?).await?)
}

#[tokio::test]
async fn an_envelope_whose_acknowledgement_is_lost_is_sent_again_and_lies_in_the_log_once() -> TestResult {
    let stack = Stack::servers().await?;
    let wire = Wire::to(stack.nats.port()).await?;
    let ingest = ingest_behind(&stack, &wire).await?;
    let stream = stack.log().await?.get_stream("EVENTS_0").await?;

    wire.cut_acks(3);
    let answer = stack.ingest_client.post("/event", event("/one")).await?;
    assert_eq!((answer.status, answer.json()["receipt"].as_str()), (200, Some("0-1-0")), "{}", ingest.log_tail(20));
    assert_eq!((wire.cuts(), wire.published().len()), (3, 4), "sent again after each cut");

    wire.cut_acks(2);
    let answer = stack.ingest_client.post("/events", [event("/two"), event("/three")].join("\n")).await?;
    assert_eq!((answer.status, &answer.json()["receipts"]), (200, &serde_json::json!(["0-2-0", "0-2-1"])));
    assert_eq!((wire.cuts(), wire.published().len()), (5, 7));

    let ids = stored_ids(&stream).await?;
    let [first, second] = &ids[..] else { panic!("two envelopes, each once: {ids:?}") };
    assert_ne!(first, second);
    let tries = [vec![first.clone(); 4], vec![second.clone(); 3]].concat();
    assert_eq!(wire.published(), tries, "the same envelope each time");

    let _projector = stack.projector(DATABASE, &[]).await?;
    assert_eq!(views(&stack).await?, [("/one".to_owned(), 1), ("/three".to_owned(), 1), ("/two".to_owned(), 1)]);
    Ok(())
}

#[tokio::test]
async fn lost_acknowledgements_under_load_lose_nothing_and_double_nothing() -> TestResult {
    const EVENTS: usize = 300;
    let stack = Stack::servers().await?;
    let wire = Wire::to(stack.nats.port()).await?;
    let _ingest = ingest_behind(&stack, &wire).await?;
    wire.cut_acks(4);
    let posts = (0..EVENTS).map(|number| stack.ingest_client.post("/event", event(&format!("/{number:03}"))));
    let answers = try_join_all(posts).await?;

    assert!(answers.iter().all(|answer| answer.status == 200));
    let receipts: BTreeSet<String> = answers.iter().map(|answer| answer.json()["receipt"].to_string()).collect();
    assert_eq!((receipts.len(), wire.cuts()), (EVENTS, 4), "each event has a place of its own");
    let ids = stored_ids(&stack.log().await?.get_stream("EVENTS_0").await?).await?;
    let unique: BTreeSet<&String> = ids.iter().collect();
    assert_eq!((unique.len(), wire.published().len()), (ids.len(), ids.len() + 4));

    let _projector = stack.projector(DATABASE, &[]).await?;
    let expected: Vec<_> = (0..EVENTS).map(|number| (format!("/{number:03}"), 1)).collect();
    assert_eq!(views(&stack).await?, expected);
    Ok(())
}

#[tokio::test]
async fn an_envelope_that_is_lost_on_its_way_to_the_projector_is_counted_although_no_other_comes() -> TestResult {
    let stack = Stack::servers().await?;
    let wire = Wire::to(stack.nats.port()).await?;
    let _ingest = stack.ingest(&[("PARTITIONS", "1")]).await?;
    let _projector = stack.projector(DATABASE, &[("NATS_URL", &wire.url())]).await?;
    assert_eq!(stack.ingest_client.post("/event", event("/before")).await?.status, 200);
    stack.drained(DATABASE).await?;
    wire.cut_envelopes(1);
    assert_eq!(stack.ingest_client.post("/event", event("/lost")).await?.status, 200);
    stack.drained(DATABASE).await?;
    assert_eq!(wire.cuts(), 1);
    assert_eq!(views(&stack).await?, [("/before".to_owned(), 1), ("/lost".to_owned(), 1)]);
    Ok(())
}

/// The server that comes back knows only the ids of envelopes that it has.
#[tokio::test]
async fn an_envelope_that_ingest_may_send_again_is_not_trimmed_away() -> TestResult {
    let mut stack = Stack::servers().await?;
    let wire = Wire::to(stack.nats.port()).await?;
    let deadline = ("PUBLISH_DEADLINE_MS", "60000");
    let _ingest = stack.ingest(&[("NATS_URL", &wire.url()), ("PARTITIONS", "1"), deadline]).await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    assert_eq!(stack.ingest_client.post("/event", event("/before")).await?.status, 200);
    wire.lose_acks(true);
    let url = stack.ingest_client.url("/event");
    let posted = tokio::spawn(reqwest::Client::new().post(url).body(event("/once")).send());
    wait::until("the envelope is stored", SOON, async || {
        (wire.lost_acks() > 0 && stack.end_of_partition_0().await.ok()? == 2).then_some(())
    })
    .await;
    stack.drained(DATABASE).await?;

    let archive = stack.folder().join("archive");
    let said = stack.operate_on_log(&["archive", "--to", archive.to_str().context("UTF-8")?, "--trim"]).await?;
    assert!(said.is_success && said.text.contains("sequences 1 to 2 stay in the log"), "{said:?}");
    stack.nats.kill().await;
    stack.nats.restart().await?;
    wire.lose_acks(false);
    let answer = posted.await??;
    assert_eq!(answer.status(), 200);
    assert!(answer.text().await?.contains("0-2-0"), "the place where it was stored first");
    assert_eq!(views(&stack).await?, [("/before".to_owned(), 1), ("/once".to_owned(), 1)]);
    Ok(())
}
