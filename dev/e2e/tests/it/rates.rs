use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use flate2::Compression;
use flate2::write::GzEncoder;
use testkit::clients::http::Answer;
use testkit::clients::load::event;
use testkit::failure::TestResult;
use testkit::stack::Stack;
use testkit::wait;

/// What a rate gives back in a second comes within this time, on a machine that does other things too.
const SOON: Duration = Duration::from_secs(30);

fn batch(events: usize) -> String {
    vec![event("a", "/"); events].join("\n")
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("writing to memory");
    encoder.finish().expect("writing to memory")
}

#[track_caller]
fn check(answer: &Answer, status: u16, code: &str, what: &str) {
    assert_eq!((answer.status, answer.json()["code"].as_str().unwrap_or_default()), (status, code), "{what}");
    let retry_after = answer.headers.get("retry-after").and_then(|seconds| seconds.to_str().ok()?.parse::<u64>().ok());
    assert_eq!(retry_after.is_some_and(|seconds| seconds > 0), status == 429, "{what}: {retry_after:?}");
}

async fn stored(stack: &Stack) -> Result<i64> {
    Ok(stack.log_ends().await?.iter().map(|(_, last)| last).sum())
}

#[tokio::test]
async fn events_of_an_address_are_counted_and_not_only_requests() -> TestResult {
    let stack = Stack::servers().await?;
    let _ingest = stack.ingest(&[("RATE_EVENTS_PER_ADDRESS", "10:100")]).await?;
    let client = &stack.ingest_client;
    // More than the burst is never taken, and says so.
    let answer = client.post("/events", batch(101)).await?;
    check(&answer, 413, "batch_exceeds_rate", "a batch");
    assert!(answer.error().contains("at most 100 events"), "{}", answer.error());
    assert_eq!(stored(&stack).await?, 0);
    // Those that are no events count as well.
    check(&client.post("/events", format!("{}\n{}", batch(60), "{}\n".repeat(40))).await?, 200, "", "a burst");
    let answer = client.post("/events", batch(50)).await?;
    check(&answer, 429, "too_many_events_per_second", "another batch");
    let seconds: u64 = answer.headers["retry-after"].to_str()?.parse()?;
    assert!((1..=5).contains(&seconds), "{seconds}");
    check(&client.post("/event", event("a", "/")).await?, 429, "too_many_events_per_second", "one event");
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    check(&client.post("/events", batch(50)).await?, 200, "", "after the time that was told");
    // Probes are no events, and another address has its own allowance.
    assert_eq!(client.get("/readyz").await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn bytes_of_a_key_are_counted_as_they_are_unpacked() -> TestResult {
    let stack = Stack::servers().await?;
    let keys = stack.keys_of("ingest");
    let (first, second) = (keys.add(&["--all-sites"]).await?, keys.add(&["--all-sites"]).await?);
    let rates = [("RATE_BYTES_PER_KEY", "1000:20000"), ("RATE_EVENTS_PER_KEY", "1000000:1000000")];
    let _ingest = stack.ingest(&[&rates[..], &[("INGEST_KEYS_FILE", keys.name())]].concat()).await?;
    let client = &stack.ingest_client;
    let address = |key: &str| format!("/events?key={key}");
    let (much, some) = (batch(300), batch(100));
    assert!(much.len() > 20_000 && (5_000..20_000).contains(&some.len()), "{} {}", much.len(), some.len());
    let answer = client.post_with(&address(&first), ("content-encoding", "gzip"), gzipped(much.as_bytes())).await?;
    check(&answer, 413, "batch_exceeds_rate", "more than the burst, packed");
    let mut answered = Vec::new();
    for _ in 0..5 {
        answered.push(client.post(&address(&first), some.clone()).await?);
    }
    let limited = answered.iter().find(|answer| answer.status == 429).expect("50,000 bytes are too many");
    check(limited, 429, "too_many_bytes_per_second", "too much");
    check(&client.post(&address(&second), some.clone()).await?, 200, "", "another key");
    let again = async || (client.post(&address(&first), some.clone()).await.ok()?.status == 200).then_some(());
    wait::until("the rate gives back", SOON, again).await;
    Ok(())
}
