use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::future::try_join_all;
use testkit::clients::load::{self, Load, event};
use testkit::failure::TestResult;
use testkit::observe::kernel::Connections;
use testkit::observe::snapshot::{self, views_by_path};
use testkit::stack::{DATABASE, Stack};
use testkit::wait;
use tokio::net::TcpStream;

use crate::clients::in_flight::Sent;
use crate::exactly_once::{SMALL_BATCHES, folded_undisturbed, stack_with};

const SOON: Duration = Duration::from_secs(45);

/// What a service is given to end: who runs it kills it after that.
const GRACE: Duration = Duration::from_secs(10);

/// Events in one test that ingest has accepted and cannot acknowledge.
const WAITING: usize = 100;

/// Posts that ingest has read to the end.
async fn posted_and_read(stack: &Stack) -> Result<Vec<Sent>> {
    let port = stack.ingest_port();
    let sent =
        (0..WAITING).map(async |number| Sent::post(port, "/event", &event("accepted", &format!("/{number}"))).await);
    let sent = try_join_all(sent).await?;
    wait::until("ingest has read all of them", SOON, async || {
        let connections = Connections::to(port);
        (connections.open >= WAITING && connections.unread_bytes == 0).then_some(())
    })
    .await;
    Ok(sent)
}

async fn acknowledged(load: &Load, events: u64) {
    wait::until("events are acknowledged", SOON, async || (load.acknowledged() >= events).then_some(())).await;
}

#[tokio::test]
async fn ingest_ends_in_order_under_load() -> TestResult {
    let stack = Stack::servers().await?;
    let ingest = stack.ingest(&[]).await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    let load = Load::start(&stack.ingest_client, 64);
    acknowledged(&load, 1_000).await;
    let begun = Instant::now();
    let status = ingest.stop().await;
    assert!(status.success() && begun.elapsed() < GRACE, "{status} after {:?}", begun.elapsed());
    // The clients of one that is gone go over to the next.
    let next = stack.ingest(&[]).await?;
    let so_far = load.acknowledged();
    acknowledged(&load, so_far + 500).await;
    let heard = load.stop().await;
    assert!(heard.refused.is_empty(), "{:?}", heard.refused);
    stack.drained(DATABASE).await?;
    heard.check_counted(&views_by_path(&stack.database(DATABASE)?, load::SITES).await?);
    assert!(next.stop().await.success());
    Ok(())
}

#[tokio::test]
async fn ingest_answers_everything_that_it_has_accepted_before_it_ends() -> TestResult {
    let stack = Stack::servers().await?;
    let ingest = stack.ingest(&[("PUBLISH_DEADLINE_MS", "9000")]).await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    stack.nats.freeze()?;
    let port = stack.ingest_port();
    let sent = posted_and_read(&stack).await?;
    let stopped = async {
        let begun = Instant::now();
        (ingest.stop().await, begun.elapsed())
    };
    let thawed = async {
        wait::until("ingest takes no more connections", SOON, async || {
            TcpStream::connect(("127.0.0.1", port)).await.err()
        })
        .await;
        stack.nats.thaw();
    };
    let ((status, took), ()) = tokio::join!(stopped, thawed);
    assert!(status.success() && took < GRACE, "{status} after {took:?}");
    let statuses = try_join_all(sent.into_iter().map(Sent::status)).await?;
    assert_eq!(statuses, [200; WAITING]);
    stack.drained(DATABASE).await?;
    let views = views_by_path(&stack.database(DATABASE)?, "accepted").await?;
    assert_eq!(views.values().collect::<Vec<_>>(), [&1; WAITING]);
    Ok(())
}

#[tokio::test]
async fn ingest_ends_in_time_although_the_log_is_away_and_what_it_had_accepted_is_answered() -> TestResult {
    let mut stack = Stack::servers().await?;
    let ingest = stack.ingest(&[("PUBLISH_DEADLINE_MS", "3000")]).await?;
    stack.nats.stop().await;
    let sent = posted_and_read(&stack).await?;
    let begun = Instant::now();
    let status = ingest.stop().await;
    assert!(status.success() && begun.elapsed() < GRACE, "{status} after {:?}", begun.elapsed());
    let statuses = try_join_all(sent.into_iter().map(Sent::status)).await?;
    assert_eq!(statuses, [503; WAITING]);
    Ok(())
}

#[tokio::test]
async fn a_projector_that_is_stopped_again_and_again_counts_the_same() -> TestResult {
    const STOPS: usize = 4;
    let stack = stack_with(&[7, 1, 30]).await?;
    let undisturbed = folded_undisturbed(&stack, "undisturbed").await?;
    let pool = stack.database(DATABASE)?;
    let mut reached = 0;
    for _ in 0..STOPS {
        let projector = stack.projector(DATABASE, &SMALL_BATCHES).await?;
        reached = wait::until("the projector moves", SOON, async || {
            let at = snapshot::checkpoints(&pool).await.ok()?.first()?.1;
            (at > reached).then_some(at)
        })
        .await;
        let begun = Instant::now();
        let status = projector.process.stop().await;
        assert!(status.success() && begun.elapsed() < GRACE, "{status} after {:?}", begun.elapsed());
    }
    assert!(reached < stack.end_of_partition_0().await?, "stopped in mid-stream every time");
    let _projector = stack.projector(DATABASE, &SMALL_BATCHES).await?;
    assert_eq!(stack.drained(DATABASE).await?, undisturbed);
    Ok(())
}

#[tokio::test]
async fn query_ends_in_order_while_reports_are_asked_for() -> TestResult {
    let stack = Stack::servers().await?;
    let query = stack.query().await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    let client = stack.query_client.clone();
    wait::until("a report", SOON, async || (client.get("/stats?site_id=a").await.ok()?.status == 200).then_some(()))
        .await;
    let answers = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&answers);
    let asking = tokio::spawn(async move {
        while let Ok(answer) = client.get("/stats?site_id=a").await {
            assert_eq!(answer.status, 200, "{}", answer.text);
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    wait::until("reports are answered", SOON, async || (answers.load(Ordering::SeqCst) > 50).then_some(())).await;
    let begun = Instant::now();
    let status = query.stop().await;
    assert!(status.success() && begun.elapsed() < GRACE, "{status} after {:?}", begun.elapsed());
    asking.await?;
    Ok(())
}

#[tokio::test]
async fn services_that_start_before_the_servers_wait_for_them() -> TestResult {
    let mut stack = Stack::servers().await?;
    stack.nats.stop().await;
    stack.postgres.stop().await;
    let ingest = stack.ingest_unready(&[("PUBLISH_DEADLINE_MS", "500")])?;
    let projector = stack.projector(DATABASE, &[]).await?;
    let query = stack.query_with(&[("QUERY_TIMEOUT_MS", "500")]).await?;
    for (client, sentence) in [
        (&stack.ingest_client, "the log is not connected"),
        (&projector.client, "the database does not answer"),
        (&stack.query_client, "the database does not answer"),
    ] {
        wait::until(sentence, SOON, async || {
            let answer = client.get("/readyz").await.ok()?;
            (answer.status == 503 && answer.error().contains(sentence)).then_some(())
        })
        .await;
        assert_eq!(client.get("/healthz").await?.status, 200, "it lives, so it need not be restarted");
    }
    assert_eq!(stack.ingest_client.post("/event", event("early", "/refused")).await?.status, 503);
    assert_eq!(stack.query_client.get("/stats?site_id=early").await?.status, 503);

    stack.postgres.restart().await?;
    wait::until("the projector waits for the log only", SOON, async || {
        let answer = projector.client.get("/readyz").await.ok()?;
        (answer.status == 503 && answer.error().contains("in the log")).then_some(())
    })
    .await;
    stack.nats.restart().await?;
    for client in [&stack.ingest_client, &projector.client, &stack.query_client] {
        wait::until("all are ready", SOON, async || (client.get("/readyz").await.ok()?.status == 200).then_some(()))
            .await;
    }
    assert_eq!(stack.ingest_client.post("/event", event("early", "/accepted")).await?.status, 200);
    stack.drained(DATABASE).await?;
    let report = stack.query_client.get("/stats?site_id=early").await?.json();
    assert_eq!(report["total_views"], 1, "what was refused without a connection is not in the log");
    assert_eq!((ingest.exit_status(), projector.process.exit_status(), query.exit_status()), (None, None, None));
    Ok(())
}
