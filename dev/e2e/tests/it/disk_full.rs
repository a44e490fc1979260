use std::time::Duration;

use testkit::clients::load::{self, Load, event};
use testkit::failure::TestResult;
use testkit::observe::snapshot::views_by_path;
use testkit::stack::{DATABASE, Stack};
use testkit::wait;

use crate::faults::disk::Disk;

const SOON: Duration = Duration::from_mins(1);

const DISK_MIB: u32 = 256;

/// The whole stack on one disk, its logs too.
#[tokio::test]
async fn a_full_disk_means_503_until_there_is_room_and_nothing_acknowledged_is_lost() -> TestResult {
    const NAME: &str = "disk_full::a_full_disk_means_503_until_there_is_room_and_nothing_acknowledged_is_lost";
    let Some(disk) = Disk::of_test(NAME, DISK_MIB)? else { return Ok(()) };
    let mut stack = Stack::servers().await?;
    let ingest = stack.ingest(&[]).await?;
    let projector = stack.projector(DATABASE, &[]).await?;
    let query = stack.query().await?;
    let load = Load::start(&stack.ingest_client, 16);
    let acknowledged = async |more: u64| {
        let wanted = load.acknowledged() + more;
        wait::until("events are acknowledged", SOON, async || (load.acknowledged() >= wanted).then_some(())).await;
    };
    acknowledged(500).await;

    disk.fill()?;
    wait::until("events are refused", SOON, async || (load.refused() >= 16).then_some(())).await;
    wait::until("ingest says why", SOON, async || {
        let answer = stack.ingest_client.get("/readyz").await.ok()?;
        (answer.status == 503 && answer.error().contains("the log's server cannot write")).then_some(())
    })
    .await;
    let answer = stack.ingest_client.post("/event", event("full", "/")).await?;
    assert_eq!((answer.status, answer.headers["retry-after"].to_str()?), (503, "1"), "{}", answer.text);
    assert_eq!(stack.query_client.get("/stats?site_id=load-0").await?.status, 200, "reports need no room");

    disk.free()?;
    // nats-server wants to be restarted after a write that failed, and its health says so. An operator restarts it because of
    // that; everything else recovers by itself.
    stack.nats.restart().await?;
    acknowledged(500).await;
    let ended = [ingest.exit_status(), projector.process.exit_status(), query.exit_status()];
    assert_eq!(ended, [None; 3], "no process ended");
    let heard = load.stop().await;
    assert!(heard.unanswered.is_empty(), "{:?}", heard.unanswered.first_key_value());
    stack.drained(DATABASE).await?;
    heard.check_counted(&views_by_path(&stack.database(DATABASE)?, load::SITES).await?);
    Ok(())
}
