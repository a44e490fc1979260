use std::time::Duration;

use anyhow::{Context, Result};
use async_nats::jetstream::stream::Config;
use contract::{Partition, SiteId};
use launcher::ports;
use launcher::process::Process;
use testkit::failure::TestResult;
use testkit::observe::log;
use testkit::stack::{DATABASE, Projector, Stack};
use testkit::wait;

use crate::history::{SOON, event, says};
use crate::observe::prometheus::{Alert, Monitoring, dashboard, rules_folder};

/// The longest that an alert wants its expression to grow is a minute; the rest is for a machine that does other things.
const FIRES_WITHIN: Duration = Duration::from_mins(3);

/// Bytes of a thousand events of as many types.
const NAMES_BYTES: u64 = 94_000;

/// Bytes that the server of the log may store; of these, as many may be in partition 3.
const STORE_BYTES_MAX: u64 = NAMES_BYTES + 72_000;
const STREAM_BYTES_MAX: i64 = 65_536;

/// A site of this partition, of four.
fn site(partition: u16) -> String {
    let mut names = (0..).map(|number| format!("site-{number}"));
    let is_there = |name: &String| {
        let site_id: SiteId = name.as_str().try_into().expect("a site");
        Partition::of(&site_id, 4).number() == partition
    };
    names.find(is_there).expect("partitions have sites")
}

/// As large as an event may be, nearly.
fn large_event(site: &str) -> String {
    event(site).replace("\"/\"", &format!("\"/{}\"", "f".repeat(2_000)))
}

/// A log server that is small, so that it can be full.
async fn small_stack() -> TestResult<Stack> {
    let folder = tempfile::tempdir()?;
    let conf = rules_folder()?.join("../../nats/server.conf");
    let small = format!("jetstream {{\n  max_file_store: {STORE_BYTES_MAX}");
    let text = std::fs::read_to_string(conf)?.replacen("jetstream {", &small, 1);
    let path = folder.path().join("server.conf");
    std::fs::write(&path, text)?;
    Ok(Stack::servers_with(Some(&path)).await?)
}

/// Partition 1 has a gap, what is in 2 cannot be read, and 3 is full soon.
async fn spoil(stack: &Stack) -> Result<()> {
    let log = stack.log().await?;
    for partition in 0..4 {
        let max_bytes = if partition == 3 { STREAM_BYTES_MAX } else { -1 };
        let config = Config { max_bytes, deny_delete: false, ..log::declared(partition) };
        log.create_stream(config).await?;
    }
    for _ in 0..3 {
        log.publish("events.1", event(&site(1)).into()).await?.await?;
    }
    log.get_stream("EVENTS_1").await?.delete_message(2).await?;
    log.publish("events.2", "unreadable".into()).await?.await?;
    Ok(())
}

/// More event ids are stored for partition 0 than it may remember, and its owner reads them anew.
async fn remember_too_many(stack: &Stack) -> Result<()> {
    const TOO_MANY: i64 = (8 << 20) + 10_000;
    // Digest and slot, as the projector stores them; the slot has its lowest byte first.
    let store = "insert into recent_event_id (generation_id, partition_id, stream_sequence, log_slot, ids)
                 select 1, 0, -1, checkpoint.log_slot, many.ids
                 from checkpoint
                 cross join lateral int4send(log_slot::int) as slot
                 cross join lateral (
                   select string_agg(
                     int8send(hashint8extended(id, 0)) || substr(slot, 4, 1) || substr(slot, 3, 1)
                     || substr(slot, 2, 1) || substr(slot, 1, 1), '') as ids
                   from generate_series(1, $1) as id
                 ) as many
                 where partition_id = 0";
    let pool = stack.database(DATABASE)?;
    sqlx::query(store).bind(TOO_MANY).execute(&pool).await?;
    let fence = "update checkpoint set epoch = epoch + 1, owner = null, lease_until = null where partition_id = 0";
    sqlx::query(fence).execute(&pool).await?;
    Ok(())
}

/// Everything that there is, and who watches it.
struct Watched {
    stack: Stack,
    projector: Projector,
    query: Process,
    monitoring: Monitoring,
    _ingest: Process,
}

impl Watched {
    async fn start() -> TestResult<Self> {
        let stack = small_stack().await?;
        spoil(&stack).await?;
        let ingest = stack.ingest(&[]).await?;
        let projector = stack.projector(DATABASE, &[]).await?;
        let query = stack.query_with(&[("QUERY_AFTER_TIMEOUT_MS", "100")]).await?;
        let ports = [stack.ingest_client.port(), stack.query_client.port(), projector.client.port()];
        let monitoring = Monitoring::start(ports).await?;
        Ok(Self { stack, projector, query, monitoring, _ingest: ingest })
    }

    /// Waits until an alert with these labels fires, while `meanwhile` goes on. Answers what it says.
    async fn fires(&self, name: &str, labels: &[(&str, &str)], meanwhile: impl AsyncFn()) -> String {
        wait::until(name, FIRES_WITHIN, async || {
            meanwhile().await;
            let firing = self.monitoring.firing().await.ok()?;
            firing.iter().find(|alert| alert.is(name, labels)).map(Alert::summary)
        })
        .await
    }
}

/// Asks for each expression of the dashboard until there is something to show.
async fn every_panel_shows_something(watched: &Watched) -> Result<()> {
    for (panel, expression) in dashboard()? {
        let expression = expression.replace("$__rate_interval", "1m");
        watched.monitoring.query(&expression).await.with_context(|| panel.clone())?;
        let what = format!("{panel}: {expression}");
        wait::until(&what, SOON, async || {
            let series = watched.monitoring.query(&expression).await.ok()?;
            (!series.is_empty()).then_some(())
        })
        .await;
    }
    Ok(())
}

#[tokio::test]
async fn every_alert_fires_where_it_should_and_the_dashboard_shows_what_there_is() -> TestResult {
    let watched = Watched::start().await?;
    let Watched { stack, projector, query, .. } = &watched;
    let nothing = async || {};
    assert_eq!(stack.ingest_client.post("/event", event(&site(0))).await?.status, 200);
    wait::until("a report", SOON, async || {
        (stack.query_client.get("/stats?site_id=a").await.ok()?.status == 200).then_some(())
    })
    .await;
    assert_eq!(stack.query_client.get("/stats?site_id=a&after=0-4711-0").await?.status, 503);
    let full = async || {
        let answer = stack.ingest_client.post("/event", large_event(&site(3))).await;
        assert!(matches!(answer, Ok(answer) if [200, 503].contains(&answer.status)));
    };
    watched.fires("TidemarkServerErrors", &[("job", "tidemark-ingest")], full).await;
    let names = (0..1_001).map(|name| event(&site(0)).replace("page_view", &format!("type-{name}")));
    assert_eq!(stack.ingest_client.post("/events", names.collect::<Vec<_>>().join("\n")).await?.status, 200);
    let capped = watched.fires("TidemarkNamesCapped", &[("partition", "0"), ("kind", "types")], nothing).await;
    assert_eq!(capped, "A site of partition 0 exceeds its cap of types");
    watched.fires("TidemarkLogNearlyFull", &[("partition", "3")], nothing).await;
    watched.fires("TidemarkLogNearlyFull", &[("server", "1")], nothing).await;
    let halted = watched.fires("TidemarkPartitionHalted", &[("partition", "1")], nothing).await;
    assert_eq!(halted, "Partition 1 of generation 1 is halted and needs a decision");
    let parked = watched.fires("TidemarkEventsParked", &[("partition", "2")], nothing).await;
    assert_eq!(parked, "Parked events of partition 2 that wait for a decision: 1");
    every_panel_shows_something(&watched).await?;
    remember_too_many(stack).await?;
    watched.fires("TidemarkEventIdsForgotten", &[("partition", "0")], nothing).await;

    // Another session holds a lock that every commit waits for.
    let mut lock = stack.database(DATABASE)?.begin().await?;
    sqlx::query("lock table view_total in access exclusive mode").execute(&mut *lock).await?;
    assert_eq!(stack.ingest_client.post("/event", event(&site(0))).await?.status, 200);
    watched.fires("TidemarkReportsLag", &[("partition", "0")], nothing).await;
    watched.fires("TidemarkNoProgress", &[("partition", "0")], nothing).await;
    says(projector, "nothing was committed for").await;
    lock.rollback().await?;
    wait::until("what was due to a lock is over", SOON, async || {
        let firing = watched.monitoring.firing().await.ok()?;
        // What stands still for another reason goes on to lag.
        let is_due = |alert: &Alert| {
            ["TidemarkReportsLag", "TidemarkNoProgress"].iter().any(|name| alert.is(name, &[("partition", "0")]))
        };
        (!firing.iter().any(is_due)).then_some(())
    })
    .await;

    query.kill().await;
    watched.fires("TidemarkTargetDown", &[("job", "tidemark-query")], nothing).await;
    Ok(())
}

#[tokio::test]
async fn prometheus_comes_with_a_key_and_tells_of_a_damaged_file() -> TestResult {
    let stack = Stack::servers().await?;
    let keys = stack.keys_of("ingest");
    let folder = tempfile::tempdir()?;
    let credentials = folder.path().join("key");
    std::fs::write(&credentials, keys.add(&["--all-sites"]).await?)?;
    let _ingest = stack.ingest(&[("INGEST_KEYS_FILE", keys.name())]).await?;
    let ports = [stack.ingest_client.port(), ports::free(), ports::free()];
    let monitoring = Monitoring::start_with_keys(ports, &[("tidemark-ingest", &credentials)]).await?;
    wait::until("Prometheus is let in", SOON, async || {
        let seen = monitoring.query("access_keys{job=\"tidemark-ingest\"} == 1").await.ok()?;
        (!seen.is_empty()).then_some(())
    })
    .await;
    std::fs::write(keys.path(), "no key")?;
    let said = wait::until("TidemarkKeysStale", FIRES_WITHIN, async || {
        let firing = monitoring.firing().await.ok()?;
        firing.iter().find(|alert| alert.is("TidemarkKeysStale", &[("job", "tidemark-ingest")])).map(Alert::summary)
    })
    .await;
    assert!(said.ends_with("cannot read its file of keys"), "{said}");
    Ok(())
}
