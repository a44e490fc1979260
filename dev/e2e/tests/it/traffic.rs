use anyhow::Result;
use futures_util::{StreamExt, TryStreamExt, stream};
use testkit::failure::TestResult;
use testkit::stack::{DATABASE, Stack};

use crate::inputs::traffic::Traffic;

/// Requests at once, as a web server would send them.
const CONCURRENCY: usize = 32;

/// Events of one batch.
const BATCH_EVENTS: usize = 500;

#[tokio::test]
async fn an_access_log_counts_to_the_truth() -> TestResult {
    let traffic = Traffic::load();
    println!("{} events, {}", traffic.lines.len(), traffic.source);
    let stack = Stack::servers().await?;
    let _ingest = stack.ingest(&[]).await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    let _query = stack.query().await?;

    post(&stack, &traffic).await?;
    let once = stack.drained(DATABASE).await?;
    check(&stack, &traffic).await?;

    // Posted again in whole, it changes nothing but the number of repeats.
    post(&stack, &traffic).await?;
    let twice = stack.drained(DATABASE).await?;
    check(&stack, &traffic).await?;
    let (counted, rest): (Vec<_>, Vec<_>) = twice.into_iter().partition(|row| row.starts_with("repeat_total "));
    assert_eq!(rest, once);
    let repeats = [format!(r#""repeats": {}"#, traffic.lines.len()), format!(r#""site_id": "{}""#, traffic.site_id)];
    assert!(counted.len() == 1 && repeats.iter().all(|part| counted[0].contains(part)), "{counted:?}");
    Ok(())
}

/// A third one by one, the rest in batches.
pub(crate) async fn post(stack: &Stack, traffic: &Traffic) -> Result<()> {
    let (single, batched) = traffic.lines.split_at(traffic.lines.len() / 3);
    let singles = stream::iter(single.to_vec()).map(|line| stack.ingest_client.post("/event", line));
    let statuses: Vec<u16> = singles.buffer_unordered(CONCURRENCY).map_ok(|answer| answer.status).try_collect().await?;
    assert!(statuses.iter().all(|status| *status == 200));
    for (number, batch) in batched.chunks(BATCH_EVENTS).enumerate() {
        let body = if number % 2 == 0 { batch.join("\n") } else { format!("[{}]", batch.join(",")) };
        let answer = stack.ingest_client.post("/events", body).await?;
        assert_eq!(
            (answer.status, answer.json()["accepted"].as_u64()),
            (200, Some(batch.len() as u64)),
            "{}",
            answer.text
        );
    }
    Ok(())
}

async fn check(stack: &Stack, traffic: &Traffic) -> Result<()> {
    let stats = format!("/stats?site_id={}&limit=10", traffic.site_id);
    traffic.all_time.check("all time", &stack.query_client.get(&stats).await?.json());
    for (day, truth) in &traffic.days {
        truth.check(day, &stack.query_client.get(&format!("{stats}&date={day}")).await?.json());
        let range = format!("{stats}&from={day}&to={day}");
        truth.check(day, &stack.query_client.get(&range).await?.json());
    }
    let (first, last) = (traffic.days.keys().next().expect("a day"), traffic.days.keys().last().expect("a day"));
    traffic
        .all_time
        .check("all days", &stack.query_client.get(&format!("{stats}&from={first}&to={last}")).await?.json());
    Ok(())
}
