use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use testkit::clients::load::event;
use testkit::failure::TestResult;
use testkit::observe::kernel::Connections;
use testkit::observe::snapshot::views_by_path;
use testkit::stack::{DATABASE, Stack};
use testkit::wait;
use tokio::time::sleep;

use crate::clients::in_flight::Sent;

use super::{INGEST, MIB, SOON, check_memory};

/// Large batches that are posted to a log that is away: together twelve times what may wait.
const FLOOD_BATCHES: usize = 100;

/// A client that was refused comes again after this time.
const CLIENT_PAUSE: Duration = Duration::from_millis(200);

#[tokio::test]
async fn what_waits_for_the_log_has_a_bound() -> TestResult {
    let mut stack = Stack::servers().await?;
    let ingest = stack.ingest(&[INGEST[1], INGEST[2], ("PUBLISH_DEADLINE_MS", "6000")]).await?;
    stack.nats.stop().await;
    let line = event("flood", &format!("/{}", "f".repeat(2_000)));
    let batch = bytes::Bytes::from(vec![line.as_str(); usize::try_from(2 * MIB)? / line.len()].join("\n"));
    let full = "too many events are waiting for the log; send this one again";
    let begun = Instant::now();
    let sentences = join_all((0..FLOOD_BATCHES).map(async |_| {
        wait::until("a batch is judged", SOON, async || {
            let answer = stack.ingest_client.post("/events", batch.clone()).await.ok()?;
            // On a busy machine a body may not arrive in time: then it is sent again, as if the connection broke.
            if answer.status == 408 {
                return None;
            }
            assert_eq!(answer.status, 503, "{}", answer.text);
            // Bodies have a bound of their own, which is not meant here: this client comes again later.
            let is_queued_or_full = !answer.error().contains("too many large requests");
            if !is_queued_or_full {
                sleep(CLIENT_PAUSE).await;
            }
            is_queued_or_full.then(|| answer.error())
        })
        .await
    }))
    .await;
    check_memory(&ingest);
    let refused_at_once = sentences.iter().filter(|sentence| *sentence == full).count();
    println!("{refused_at_once} of {FLOOD_BATCHES} refused at once, all after {:?}", begun.elapsed());
    // At most three fit into half of 16 MiB at a time, and no client waits longer than the deadline.
    assert!(refused_at_once > FLOOD_BATCHES / 2, "{sentences:?}");
    stack.nats.restart().await?;
    wait::until("there is room again", SOON, async || {
        (stack.ingest_client.post("/events", line.clone()).await.ok()?.status == 200).then_some(())
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn one_client_leaves_room_in_the_queue_to_others() -> TestResult {
    const DEADLINE_MS: &str = "30000";
    let mut stack = Stack::servers().await?;
    let _ingest = stack.ingest(&[INGEST[1], INGEST[2], ("PUBLISH_DEADLINE_MS", DEADLINE_MS)]).await?;
    assert_eq!(stack.ingest_client.post("/event", event("before", "/")).await?.status, 200);
    stack.nats.stop().await;
    let line = event("flood", &format!("/{}", "f".repeat(2_000)));
    let batch = bytes::Bytes::from(vec![line.as_str(); 400].join("\n"));
    let flood: Vec<_> = (0..32)
        .map(|_| {
            let (client, batch) = (stack.ingest_client.patient_for(SOON), batch.clone());
            tokio::spawn(async move { client.post("/events", batch).await })
        })
        .collect();
    wait::until("one client has its share of the queue", SOON, async || {
        let answer = stack.ingest_client.post("/events", batch.clone()).await.ok()?;
        (answer.json()["code"] == "queue_full").then_some(())
    })
    .await;
    let other = stack.ingest_client.from_address(Ipv4Addr::new(127, 0, 0, 9)).patient_for(SOON);
    let posts = [("/events", batch.clone()), ("/event", event("other", "/").into())];
    let posted = join_all(posts.map(|(path, body)| other.post(path, body)));
    let (answers, restarted) = tokio::join!(posted, async {
        sleep(CLIENT_PAUSE).await;
        stack.nats.restart().await
    });
    restarted?;
    for answer in answers {
        let answer = answer?;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    for answer in join_all(flood).await {
        assert!([200, 503].contains(&answer??.status));
    }
    Ok(())
}

#[tokio::test]
async fn an_envelope_that_is_sent_again_counts_once() -> TestResult {
    let stack = Stack::servers().await?;
    let _ingest = stack.ingest(&[("PARTITIONS", "1"), ("PUBLISH_DEADLINE_MS", "20000")]).await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    stack.nats.freeze()?;
    let client = stack.ingest_client.patient_for(Duration::from_secs(40));
    let posted = tokio::spawn(async move { client.post("/event", event("slow", "/once")).await });
    wait::until("ingest has sent it again", SOON, async || {
        let metrics = stack.ingest_client.get("/metrics").await.ok()?.text;
        metrics.contains("ingest_envelope_retries_total 2").then_some(())
    })
    .await;
    // All copies wait in the server's connection. It takes one and drops the others.
    stack.nats.thaw();
    assert_eq!(posted.await??.status, 200);
    // Behind the copies, whatever became of them.
    assert_eq!(stack.ingest_client.post("/event", event("slow", "/behind")).await?.status, 200);
    stack.drained(DATABASE).await?;
    let views = views_by_path(&stack.database(DATABASE)?, "slow").await?;
    assert_eq!(views.into_iter().collect::<Vec<_>>(), [("/behind".to_owned(), 1), ("/once".to_owned(), 1)]);
    Ok(())
}

#[tokio::test]
async fn what_was_sent_before_hanging_up_is_stored_once() -> TestResult {
    const WAITING: usize = 50;
    let stack = Stack::servers().await?;
    let _ingest = stack.ingest(&[("PARTITIONS", "1"), ("PUBLISH_DEADLINE_MS", "60000")]).await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    assert_eq!(stack.ingest_client.post("/event", event("waiting", "/before")).await?.status, 200);
    stack.nats.freeze()?;
    let port = stack.ingest_port();
    // On its way to the log: the others wait until it is answered.
    let first = Sent::post(port, "/event", &event("waiting", "/first")).await?;
    let all_read = async || (Connections::to(port).unread_bytes == 0).then_some(());
    wait::until("ingest has read the first", SOON, all_read).await;
    let hung_up = (0..WAITING).map(async |number| {
        Sent::post(port, "/event", &event("waiting", &format!("/hung-up/{number}"))).await.map(drop)
    });
    for sent in join_all(hung_up).await {
        sent?;
    }
    wait::until("ingest has read the others", SOON, all_read).await;
    stack.nats.thaw();
    assert_eq!(first.status().await?, 200);
    assert_eq!(stack.ingest_client.post("/event", event("waiting", "/behind")).await?.status, 200);
    // A client that closes its connection may only have closed its sending side: what it sent is done all the same.
    stack.drained(DATABASE).await?;
    let views = views_by_path(&stack.database(DATABASE)?, "waiting").await?;
    assert_eq!(views.len(), WAITING + 3, "{views:?}");
    assert!(views.values().all(|views| *views == 1), "{views:?}");
    Ok(())
}
