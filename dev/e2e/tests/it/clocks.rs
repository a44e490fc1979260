use std::time::Duration;

use anyhow::{Context, Result};
use chrono::{DateTime, TimeDelta, Utc};
use launcher::build::{self, Profile};
use launcher::workspace::Workspace;
use testkit::failure::TestResult;
use testkit::stack::Stack;
use testkit::wait;

use crate::servers::faketime;

const SOON: Duration = Duration::from_secs(30);

async fn readyz(stack: &Stack, status: u16) {
    wait::until(&format!("/readyz is {status}"), SOON, async || {
        (stack.ingest_client.get("/readyz").await.ok()?.status == status).then_some(())
    })
    .await;
}

/// What time the log's server has.
async fn server_time(stack: &Stack) -> Result<DateTime<Utc>> {
    let report: serde_json::Value = reqwest::get(format!("{}/varz", stack.nats.monitor_url())).await?.json().await?;
    Ok(report["now"].as_str().context("a server tells its time")?.parse()?)
}

fn event_at(time: DateTime<Utc>) -> String {
    let time = time.to_rfc3339();
    format!(r#"{{"site_id":"clocks","event_type":"page_view","path":"/","timestamp":"{time}"}}"#)
}

#[tokio::test]
async fn nothing_is_given_to_a_log_whose_clock_is_wrong() -> TestResult {
    let (stack, clock) = Stack::servers_with_clock(build::services(Profile::Dev).await?).await?;
    let ingest = stack.ingest(&[]).await?;
    let now = server_time(&stack).await?;
    assert_eq!(stack.ingest_client.post("/event", event_at(now)).await?.status, 200);
    for hours in [2, -2, 24 * 3_650] {
        clock.set(hours * 3_600)?;
        readyz(&stack, 503).await;
        for (path, time) in [("/event", now), ("/events", now), ("/event", now + TimeDelta::hours(3))] {
            let answer = stack.ingest_client.post(path, event_at(time)).await?;
            let code = answer.json()["code"].as_str().map(str::to_owned);
            assert_eq!((answer.status, code.as_deref()), (503, Some("clocks_differ")), "{hours}, {path} at {time}");
        }
        let said = ingest.log_tail(1_000);
        assert!(
            said.contains("the clock of the log's server tidemark says") && said.contains("that of ingest"),
            "{said}"
        );
        clock.set(0)?;
        readyz(&stack, 200).await;
        assert_eq!(stack.ingest_client.post("/event", event_at(now)).await?.status, 200);
    }
    assert_eq!(ingest.exit_status(), None);
    Ok(())
}

/// Ingest with a clock that is so much off.
async fn ingest_off_by(stack: &Stack, offset: &str) -> Result<launcher::process::Process> {
    let library = faketime::libfaketime(&Workspace::find()?).await?;
    let library = library.to_str().context("a path")?.to_owned();
    stack.ingest_unready(&[("LD_PRELOAD", &library), ("FAKETIME", offset), ("DONT_FAKE_MONOTONIC", "1")])
}

#[tokio::test]
async fn with_a_wrong_clock_ingest_refuses_no_right_event_for_good() -> TestResult {
    let stack = Stack::servers().await?;
    for offset in ["-2h", "+2h"] {
        let ingest = ingest_off_by(&stack, offset).await?;
        wait::until("ingest says which clocks differ", SOON, async || {
            ingest.log_tail(1_000).contains("the clock of the log's server tidemark says").then_some(())
        })
        .await;
        readyz(&stack, 503).await;
        let now = server_time(&stack).await?;
        for path in ["/event", "/events"] {
            for time in [now, now + TimeDelta::days(1)] {
                let answer = stack.ingest_client.post(path, event_at(time)).await?;
                assert_eq!(answer.status, 503, "{offset}: {path} at {time}: {}", answer.text);
            }
        }
        assert_eq!(ingest.exit_status(), None);
        ingest.stop().await;
    }
    Ok(())
}

#[tokio::test]
async fn a_clock_that_is_a_little_off_is_allowed_for() -> TestResult {
    let stack = Stack::servers().await?;
    let _ingest = ingest_off_by(&stack, "-240").await?;
    readyz(&stack, 200).await;
    let now = server_time(&stack).await?;
    // By ingest's clock this is more than an hour ahead.
    let answer = stack.ingest_client.post("/event", event_at(now + TimeDelta::minutes(59))).await?;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let answer = stack.ingest_client.post("/event", event_at(now + TimeDelta::minutes(63))).await?;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some("in_the_future")), "{}", answer.text);
    Ok(())
}
