use std::time::{Duration, Instant};

use anyhow::Result;
use async_nats::jetstream::stream::Config;
use launcher::process::Process;
use testkit::clients::load::{self, Load, event};
use testkit::failure::TestResult;
use testkit::observe::kernel::memory_peak_bytes;
use testkit::observe::log;
use testkit::observe::snapshot::views_by_path;
use testkit::stack::{DATABASE, Stack};
use testkit::wait;

/// Events that wait for the log meanwhile: as many as there is room for, each stored once, and none of which the client has given up.
mod waiting;

const MIB: u64 = 1 << 20;

const PUBLISH_DEADLINE: Duration = Duration::from_millis(1_500);

/// Beyond the deadline: two hundred clients, three servers and other tests share two cores.
const SLACK: Duration = Duration::from_millis(1_500);

/// Recovery, and a client library that notices a dead server only at its second ping.
const SOON: Duration = Duration::from_secs(45);

/// Impatient, and with the least room that it takes.
const INGEST: [(&str, &str); 3] =
    [("PUBLISH_DEADLINE_MS", "1500"), ("QUEUE_BYTES_MAX", "16777216"), ("BODIES_BYTES_MAX", "33554432")];

/// The process in this build, 16 MiB of queue, 32 MiB of bodies; for each of those a copy in its making, and what the
/// allocator keeps.
const MEMORY_MAX_BYTES: u64 = (64 + 3 * (16 + 32)) * MIB;

const CLIENTS: u64 = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outage {
    Stopped,
    Killed,
    Frozen,
}

impl Outage {
    const ALL: [Self; 3] = [Self::Stopped, Self::Killed, Self::Frozen];

    async fn begin_for_nats(self, stack: &mut Stack) -> Result<()> {
        match self {
            Self::Stopped => stack.nats.stop().await,
            Self::Killed => stack.nats.kill().await,
            Self::Frozen => stack.nats.freeze()?,
        }
        Ok(())
    }

    async fn end_for_nats(self, stack: &mut Stack) -> Result<()> {
        match self {
            Self::Stopped | Self::Killed => stack.nats.restart().await?,
            Self::Frozen => stack.nats.thaw(),
        }
        Ok(())
    }

    async fn begin_for_postgres(self, stack: &mut Stack) -> Result<()> {
        match self {
            Self::Stopped => stack.postgres.stop().await,
            Self::Killed => stack.postgres.kill().await,
            Self::Frozen => stack.postgres.freeze()?,
        }
        Ok(())
    }

    async fn end_for_postgres(self, stack: &mut Stack) -> Result<()> {
        match self {
            Self::Stopped | Self::Killed => stack.postgres.restart().await?,
            Self::Frozen => stack.postgres.thaw(),
        }
        Ok(())
    }
}

async fn more_acknowledged(load: &Load, more: u64) {
    let before = load.acknowledged();
    wait::until("events are acknowledged", SOON, async || (load.acknowledged() >= before + more).then_some(())).await;
}

async fn more_refused(load: &Load, more: u64) {
    let before = load.refused();
    wait::until("events are refused", SOON, async || (load.refused() >= before + more).then_some(())).await;
}

async fn check_counted(stack: &Stack, load: Load) -> Result<()> {
    let heard = load.stop().await;
    assert!(heard.unanswered.is_empty(), "no answer: {:?}", heard.unanswered.first_key_value());
    stack.drained(DATABASE).await?;
    heard.check_counted(&views_by_path(&stack.database(DATABASE)?, load::SITES).await?);
    Ok(())
}

/// While the log is unavailable: no answer but 503, in time, and within bounds.
async fn check_refused(stack: &Stack, ingest: &Process, load: &Load, acknowledged: u64) -> Result<()> {
    more_refused(load, CLIENTS).await;
    let begun = Instant::now();
    let answer = stack.ingest_client.post("/event", event("alone", "/")).await?;
    assert!(begun.elapsed() < PUBLISH_DEADLINE + SLACK, "503 after {:?}", begun.elapsed());
    assert_eq!((answer.status, answer.headers["retry-after"].to_str()?), (503, "1"), "{}", answer.text);
    assert!(answer.error().contains("again"), "{}", answer.error());
    more_refused(load, 2 * CLIENTS).await;
    // One answer for each client may have been on its way when the log went.
    let late = load.acknowledged() - acknowledged;
    assert!(late <= CLIENTS, "{late} events were acknowledged while the log was away");
    check_memory(ingest);
    Ok(())
}

fn check_memory(ingest: &Process) {
    let peak = memory_peak_bytes(ingest.pid());
    println!("{} MiB at the peak", peak / MIB);
    assert!(peak < MEMORY_MAX_BYTES, "{} MiB at the peak", peak / MIB);
}

async fn log_is_away(outage: Outage) -> TestResult {
    let mut stack = Stack::servers().await?;
    let ingest = stack.ingest(&INGEST).await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    let load = Load::start(&stack.ingest_client, usize::try_from(CLIENTS)?);
    more_acknowledged(&load, 1_000).await;

    outage.begin_for_nats(&mut stack).await?;
    let acknowledged = load.acknowledged();
    check_refused(&stack, &ingest, &load, acknowledged).await?;
    // A frozen server keeps its connections; this waits until ingest has given its own up.
    wait::until("ingest notices", SOON, async || {
        (stack.ingest_client.get("/readyz").await.ok()?.status == 503).then_some(())
    })
    .await;
    outage.end_for_nats(&mut stack).await?;

    wait::until("ingest is ready again", SOON, async || {
        (stack.ingest_client.get("/readyz").await.ok()?.status == 200).then_some(())
    })
    .await;
    more_acknowledged(&load, 1_000).await;
    assert_eq!(ingest.exit_status(), None, "the process that was started is the one that answers");
    Ok(check_counted(&stack, load).await?)
}

#[tokio::test]
async fn a_stopped_log_means_503_and_nothing_acknowledged_is_lost() -> TestResult {
    log_is_away(Outage::Stopped).await
}

#[tokio::test]
async fn a_killed_log_means_503_and_nothing_acknowledged_is_lost() -> TestResult {
    log_is_away(Outage::Killed).await
}

#[tokio::test]
async fn a_frozen_log_means_503_and_nothing_acknowledged_is_lost() -> TestResult {
    log_is_away(Outage::Frozen).await
}

#[tokio::test]
async fn a_full_log_means_503_until_it_is_made_larger() -> TestResult {
    let stack = Stack::servers().await?;
    let operator = stack.log().await?;
    let declared = log::declared(0);
    operator.create_stream(Config { max_bytes: 64 * 1_024, ..declared.clone() }).await?;
    let ingest = stack.ingest(&[("PARTITIONS", "1")]).await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    let load = Load::start(&stack.ingest_client, 16);
    more_refused(&load, 100).await;
    let acknowledged = load.acknowledged();
    let full = "the log is full; send the event again later";
    for path in ["/event", "/events"] {
        // As large as an event may be: between small ones there may be room for another small one.
        let answer = stack.ingest_client.post(path, event("full", &format!("/{}", "f".repeat(2_000)))).await?;
        assert_eq!((answer.status, answer.error().as_str()), (503, full), "{path}");
    }
    more_refused(&load, 100).await;
    println!("{acknowledged} events fit, then {}", load.acknowledged());

    operator.update_stream(declared).await?;
    more_acknowledged(&load, 100).await;
    assert_eq!(ingest.exit_status(), None);
    let heard = load.stop().await;
    assert!(heard.refused.values().all(|sentence| sentence == full), "{:?}", heard.refused);
    stack.drained(DATABASE).await?;
    heard.check_counted(&views_by_path(&stack.database(DATABASE)?, load::SITES).await?);
    Ok(())
}

#[tokio::test]
async fn ingest_does_not_notice_that_postgres_is_away_and_reports_come_back_complete() -> TestResult {
    const REPORT: &str = "/stats?site_id=load-0";
    let query_timeout = Duration::from_secs(1);
    let mut stack = Stack::servers().await?;
    let _ingest = stack.ingest(&[]).await?;
    let projector = stack.projector(DATABASE, &[("BATCH_EVENTS_MAX", "50")]).await?;
    let query = stack.query_with(&[("QUERY_TIMEOUT_MS", "1000")]).await?;
    let load = Load::start(&stack.ingest_client, 16);
    let report_is = async |stack: &Stack, status: u16| {
        wait::until("a report", SOON, async || {
            (stack.query_client.get(REPORT).await.ok()?.status == status).then_some(())
        })
        .await;
    };
    report_is(&stack, 200).await;
    for outage in Outage::ALL {
        outage.begin_for_postgres(&mut stack).await?;
        let begun = Instant::now();
        let answer = stack.query_client.get(REPORT).await?;
        assert!(begun.elapsed() < query_timeout + SLACK, "{outage:?}: 503 after {:?}", begun.elapsed());
        assert_eq!((answer.status, answer.headers["retry-after"].to_str()?), (503, "1"), "{outage:?}: {}", answer.text);
        wait::until("query is not ready", SLACK + SLACK, async || {
            (stack.query_client.get("/readyz").await.ok()?.status == 503).then_some(())
        })
        .await;
        assert_eq!(projector.client.get("/readyz").await?.status, 503, "{outage:?}");
        more_acknowledged(&load, 300).await;
        outage.end_for_postgres(&mut stack).await?;
        report_is(&stack, 200).await;
        more_acknowledged(&load, 100).await;
    }
    let heard = load.stop().await;
    assert!(heard.refused.is_empty() && heard.unanswered.is_empty(), "{heard:?}");
    stack.drained(DATABASE).await?;
    heard.check_counted(&views_by_path(&stack.database(DATABASE)?, load::SITES).await?);
    assert_eq!((projector.process.exit_status(), query.exit_status()), (None, None));
    // What a report says is what was posted.
    let mut reported = 0;
    for site in 0..8 {
        let report = stack.query_client.get(&format!("/stats?site_id={}{site}", load::SITES)).await?.json();
        reported += report["total_views"].as_u64().expect("a number");
    }
    assert_eq!(reported, heard.acknowledged.len() as u64);
    Ok(())
}

#[tokio::test]
async fn log_and_database_killed_in_turn_lose_nothing() -> TestResult {
    let mut stack = Stack::servers().await?;
    let ingest = stack.ingest(&[]).await?;
    let projector = stack.projector(DATABASE, &[("BATCH_EVENTS_MAX", "50")]).await?;
    let load = Load::start(&stack.ingest_client, 32);
    more_acknowledged(&load, 500).await;
    for _ in 0..2 {
        stack.nats.kill().await;
        stack.nats.restart().await?;
        more_acknowledged(&load, 200).await;
        stack.postgres.kill().await;
        more_acknowledged(&load, 200).await;
        // The log goes away while the database is unavailable, and comes back after it.
        stack.nats.kill().await;
        stack.postgres.restart().await?;
        stack.nats.restart().await?;
        more_acknowledged(&load, 200).await;
    }
    assert_eq!((ingest.exit_status(), projector.process.exit_status()), (None, None));
    Ok(check_counted(&stack, load).await?)
}
