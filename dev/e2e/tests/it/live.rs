use std::time::Duration;

use anyhow::{Context, Result};
use testkit::clients::http::Client;
use testkit::clients::live::Watcher;
use testkit::failure::TestResult;
use testkit::stack::{DATABASE, Stack};
use tokio::time::{Instant, timeout};

/// Other tests share the machine, so the best of a few tries is what is measured.
const TRIES: u64 = 20;

/// From the POST of a lone event until it is pushed.
const PUSHED_WITHIN: Duration = Duration::from_millis(300);

/// For whatever must come.
const PATIENCE: Duration = Duration::from_mins(1);

/// An event of now, by the clock of Postgres.
async fn event(stack: &Stack, site_id: &str) -> Result<String> {
    let now = "select to_char(now() at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')";
    let now: String = sqlx::query_scalar(now).fetch_one(&stack.database(DATABASE)?).await?;
    Ok(format!(r#"{{"site_id":"{site_id}","event_type":"page_view","path":"/","timestamp":"{now}","user_id":"u"}}"#))
}

async fn post(stack: &Stack, event: &str) -> Result<Instant> {
    let posted = Instant::now();
    assert_eq!(stack.ingest_client.post("/event", event.to_owned()).await?.status, 200);
    Ok(posted)
}

fn watching(stack: &Stack) -> Client {
    stack.query_client.patient_for(Duration::from_mins(10))
}

/// A generation is there once an event is counted.
async fn begun(stack: &Stack) -> Result<()> {
    post(stack, &event(stack, "first").await?).await?;
    stack.drained(DATABASE).await.map(drop)
}

#[tokio::test]
async fn a_lone_event_is_pushed_soon() -> TestResult {
    let stack = Stack::servers().await?;
    let _ingest = stack.ingest(&[]).await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    let _query = stack.query().await?;
    begun(&stack).await?;
    let event = event(&stack, "watched").await?;
    let mut watcher = Watcher::open(&watching(&stack), "site_id=watched").await?;
    let mut other = Watcher::open(&watching(&stack), "site_id=other").await?;
    let first = timeout(PATIENCE, watcher.totals()).await??;
    assert_eq!((&first["total_views"], &first["unique_users"]), (&0.into(), &0.into()));
    let mut best = Duration::MAX;
    for views in 1..=TRIES {
        let posted = post(&stack, &event).await?;
        let told = timeout(PATIENCE, watcher.until_views(views)).await.context("it is not pushed")??;
        best = best.min(told - posted);
    }
    println!("from the POST to the push: {best:?} at best");
    assert!(best < PUSHED_WITHIN, "the fastest of {TRIES} took {best:?}");
    assert_eq!(timeout(PATIENCE, other.totals()).await??["total_views"], 0);
    assert!(timeout(Duration::from_millis(500), other.totals()).await.is_err(), "these are of another site");
    Ok(())
}
