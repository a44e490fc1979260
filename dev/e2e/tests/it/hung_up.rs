use std::time::Duration;

use testkit::clients::in_flight::Sent;
use testkit::clients::load::event;
use testkit::failure::TestResult;
use testkit::observe::snapshot::views_by_path;
use testkit::stack::{DATABASE, Stack};

/// A site of another partition than the last one.
fn site(number: usize) -> String {
    format!("hung-up-{number}")
}

#[tokio::test]
async fn a_request_whose_client_hangs_up_before_the_pub_ack_is_stored_as_a_whole() -> TestResult {
    const SITES: usize = 20;
    let stack = Stack::servers().await?;
    let _ingest = stack.ingest(&[("PUBLISH_DEADLINE_MS", "18000")]).await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    let impatient = stack.ingest_client.patient_for(Duration::from_millis(500));
    stack.nats.freeze()?;
    // One partition is busy with it.
    assert!(impatient.post("/event", event(&site(0), "/first")).await.is_err(), "no answer comes");
    // Parts of this one are on their way to the log, and one waits for the first.
    let batch: Vec<String> = (0..SITES).map(|at| event(&site(at), "/batch")).collect();
    assert!(impatient.post("/events", batch.join("\n")).await.is_err(), "no answer comes");
    stack.nats.thaw();
    for at in 0..SITES {
        // Behind all that was sent before it.
        assert_eq!(stack.ingest_client.post("/event", event(&site(at), "/last")).await?.status, 200);
    }
    stack.drained(DATABASE).await?;
    let views = views_by_path(&stack.database(DATABASE)?, "hung-up-").await?;
    let sites = i64::try_from(SITES)?;
    let expected = [("/batch", sites), ("/first", 1), ("/last", sites)].map(|(path, views)| (path.to_owned(), views));
    assert_eq!(views.into_iter().collect::<Vec<_>>(), expected, "all of each request, once");
    Ok(())
}

#[tokio::test]
async fn connections_that_break_at_any_moment_leave_all_or_nothing() -> TestResult {
    const REQUESTS: usize = 300;
    let stack = Stack::servers().await?;
    let ingest = stack.ingest(&[]).await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    for number in 0..REQUESTS {
        let batch: Vec<String> = (0..4).map(|at| event(&site(at), &format!("/{number:03}"))).collect();
        let sent = Sent::post(stack.ingest_port(), "/events", &batch.join("\n")).await?;
        tokio::time::sleep(Duration::from_micros(u64::try_from(number * 37 % 4_000)?)).await;
        drop(sent);
    }
    for at in 0..4 {
        assert_eq!(stack.ingest_client.post("/event", event(&site(at), "/last")).await?.status, 200);
    }
    assert_eq!(ingest.exit_status(), None);
    stack.drained(DATABASE).await?;
    let views = views_by_path(&stack.database(DATABASE)?, "hung-up-").await?;
    let partial: Vec<_> = views.iter().filter(|(path, views)| path.as_str() != "/last" && **views != 4).collect();
    assert!(partial.is_empty(), "stored in part: {partial:?}");
    println!("{} of {REQUESTS} requests were stored", views.len() - 1);
    Ok(())
}
