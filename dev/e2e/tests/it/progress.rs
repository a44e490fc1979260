use std::time::Duration;

use testkit::failure::TestResult;
use testkit::stack::{DATABASE, Stack};
use testkit::wait;

use crate::history::{SOON, event, says, stream, views};
use crate::observe::metrics::value;

#[tokio::test]
async fn a_projector_that_does_not_get_on_says_so_until_it_does() -> TestResult {
    let stack = Stack::servers().await?;
    let log = stack.log().await?;
    log.create_stream(stream(0)).await?;
    log.publish("events.0", event("first").into()).await?.await?;
    let projector = stack.projector(DATABASE, &[("STALL_MAX_MS", "2000")]).await?;
    stack.drained(DATABASE).await?;
    let is_ready = async || (projector.client.get("/readyz").await.ok()?.status == 200).then_some(());
    wait::until("it is ready", SOON, is_ready).await;

    // Another session holds a lock that every commit waits for.
    let mut lock = stack.database(DATABASE)?.begin().await?;
    sqlx::query("lock table view_total in access exclusive mode").execute(&mut *lock).await?;
    log.publish("events.0", event("second").into()).await?.await?;
    says(&projector, "partition 0 does not get on: the log has 1 envelopes for it, and nothing was committed for")
        .await;
    let metrics = projector.client.get("/metrics").await?.text;
    let of_slice = |name: &str| value(&metrics, &format!("{name}{{generation=\"1\",partition=\"0\"}}"));
    let stalled = of_slice("projector_stalled_seconds").expect("a gauge");
    let lag = of_slice("projector_lag_seconds").expect("a gauge");
    assert!(stalled >= 2.0 && lag >= stalled && lag < 60.0, "{stalled} s, {lag} s");
    assert_eq!(of_slice("projector_lag_envelopes"), Some(1.0));

    lock.rollback().await?;
    wait::until("it is ready again", SOON, is_ready).await;
    wait::until("it has counted", SOON, async || (views(&stack, "second").await.ok()? == 1).then_some(())).await;
    wait::until("nothing is left", Duration::from_secs(5), async || {
        let metrics = projector.client.get("/metrics").await.ok()?.text;
        (value(&metrics, "projector_lag_seconds{generation=\"1\",partition=\"0\"}") == Some(0.0)).then_some(())
    })
    .await;
    Ok(())
}
