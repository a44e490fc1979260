use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use async_nats::jetstream;
use contract::{Partition, SiteId};
use futures_util::future::{join, join_all};
use launcher::process::Process;
use testkit::clients::load::{self, Load, event};
use testkit::failure::TestResult;
use testkit::observe::log;
use testkit::observe::snapshot::views_by_path;
use testkit::stack::{DATABASE, Projector, Stack};
use testkit::wait;
use tokio::net::TcpListener;

use crate::servers::cluster::{Cluster, SERVERS, copy_thrice, in_step, lead_at, lead_elsewhere, leader};

const PARTITIONS: u16 = 4;

const CLIENTS: usize = 16;

/// nats-server waits 4 to 9 seconds for the leader before it votes, votes once more where no server won, and the copies of
/// all streams share two cores with tests.
const ELECTION_BOUND: Duration = Duration::from_secs(30);

/// Below any election, and below the wait for a PubAck: a new connection, and a look at the servers and at the stream.
const UNDISTURBED: Duration = Duration::from_millis(1_900);

const SOON: Duration = Duration::from_mins(1);

/// A log of three servers, and the services that use it.
struct Running {
    stack: Stack,
    cluster: Cluster,
    log: jetstream::Context,
    /// The environment of ingest.
    environment: Vec<(&'static str, String)>,
    ingest: Process,
    projector: Projector,
}

fn partitions() -> impl Iterator<Item = Partition> {
    Partition::all(PARTITIONS)
}

/// A site of each partition.
fn sites() -> Vec<String> {
    let site_of = |partition: Partition| {
        let mut names = (0..).map(|number| format!("site-{number}"));
        let lies_there = |name: &String| {
            let site = SiteId::try_from(name.as_str()).expect("a site");
            Partition::of(&site, PARTITIONS) == partition
        };
        names.find(lies_there).expect("there are sites everywhere")
    };
    partitions().map(site_of).collect()
}

/// Starts it, with so many copies of each stream, and waits until ingest is ready.
async fn running(replicas: usize) -> TestResult<Running> {
    let running = running_of(replicas, |url, monitors| [url.to_owned(), monitors.to_owned()]).await?;
    running.readyz(200).await;
    Ok(running)
}

/// Starts it with other addresses than all of the servers'.
async fn running_of(replicas: usize, addresses: impl Fn(&str, &str) -> [String; 2]) -> TestResult<Running> {
    let mut stack = Stack::servers().await?;
    stack.nats.stop().await;
    let cluster = Cluster::start(&stack).await?;
    let [url, monitors] = cluster.environment();
    let [ingest_url, ingest_monitors] = addresses(&url.1, &monitors.1);
    let environment =
        vec![(url.0, ingest_url), (monitors.0, ingest_monitors), ("STREAM_REPLICAS", replicas.to_string())];
    let ingest = start_ingest(&stack, &environment)?;
    let projector = stack.projector(DATABASE, &[(url.0, environment[0].1.as_str())]).await?;
    let log = cluster.log().await?;
    Ok(Running { stack, cluster, log, environment, ingest, projector })
}

fn start_ingest(stack: &Stack, environment: &[(&'static str, String)]) -> Result<Process> {
    let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    stack.ingest_unready(&environment)
}

impl Running {
    /// Lets one server lead all streams, and ingest see no others lead.
    async fn restart_ingest_with_leader(&mut self, server: usize) -> Result<()> {
        for partition in partitions() {
            lead_at(&self.log, partition, server).await?;
        }
        self.ingest.stop().await;
        self.ingest = start_ingest(&self.stack, &self.environment)?;
        Ok(())
    }

    async fn in_step(&self) {
        join_all(partitions().map(|partition| in_step(&self.log, partition))).await;
    }

    /// Waits until ingest is ready or not.
    async fn readyz(&self, status: u16) {
        wait::until(&format!("/readyz is {status}"), SOON, async || {
            (self.stack.ingest_client.get("/readyz").await.ok()?.status == status).then_some(())
        })
        .await;
    }

    async fn more_acknowledged(&self, load: &Load, more: u64) {
        let before = load.acknowledged();
        wait::until("events are acknowledged", SOON, async || (load.acknowledged() >= before + more).then_some(()))
            .await;
    }

    /// Posts to a site until it is stored, and tells how long that took.
    async fn until_stored(&self, site: &str) -> Duration {
        let begun = Instant::now();
        wait::until("an event is stored", ELECTION_BOUND, async || {
            let answer = self.stack.ingest_client.post("/event", event(site, "/")).await.ok()?;
            (answer.status == 200).then_some(())
        })
        .await;
        begun.elapsed()
    }

    /// Kills a server: what others lead is stored all the while, and the rest as soon as there are other leaders.
    async fn lose(&mut self, server: usize) -> Result<()> {
        // At least this one must not notice. A leader that was just elected asks for its followers' state first.
        let undisturbed = partitions().next().context("there is one")?;
        lead_elsewhere(&self.log, undisturbed, server).await?;
        join_all(sites().iter().map(|site| self.until_stored(site))).await;
        self.in_step().await;
        let mut leaders = vec![];
        for partition in partitions() {
            leaders.push(leader(&self.log, partition).await?);
        }
        self.cluster.kill(server).await;
        let sites = sites().into_iter().zip(&leaders);
        let (orphans, others): (Vec<_>, Vec<_>) = sites.partition(|(_, leader)| **leader == server);
        let have_leaders = Cell::new(false);
        let elected = async {
            let stored = join_all(orphans.iter().map(|(site, _)| self.until_stored(site))).await;
            have_leaders.set(true);
            stored
        };
        let undisturbed = join_all(others.iter().map(async |(site, _)| {
            let mut longest = self.until_stored(site).await;
            while !have_leaders.get() {
                longest = longest.max(self.until_stored(site).await);
            }
            longest
        }));
        let (elected, undisturbed) = join(elected, undisturbed).await;
        println!("server {server} is gone; leaders were {leaders:?}, stored after {elected:?}, others {undisturbed:?}");
        for ((_, leader), longest) in others.iter().zip(undisturbed) {
            assert!(longest < UNDISTURBED, "with its leader {leader} alive: {longest:?}");
        }
        Ok(())
    }

    async fn check_counted(self, load: Load) -> TestResult {
        let heard = load.stop().await;
        assert!(heard.unanswered.is_empty(), "no answer: {:?}", heard.unanswered.first_key_value());
        self.in_step().await;
        self.stack.drained_to(&log::ends(&self.log).await?, DATABASE).await?;
        heard.check_counted(&views_by_path(&self.stack.database(DATABASE)?, load::SITES).await?);
        assert_eq!((self.ingest.exit_status(), self.projector.process.exit_status()), (None, None));
        println!("{} acknowledged and counted once, {} refused", heard.acknowledged.len(), heard.refused.len());
        Ok(())
    }
}

#[tokio::test]
async fn any_one_of_three_servers_may_die() -> TestResult {
    let mut running = running(SERVERS).await?;
    running.in_step().await;
    let load = Load::start(&running.stack.ingest_client, CLIENTS);
    running.more_acknowledged(&load, 500).await;
    for server in 0..SERVERS {
        running.lose(server).await?;
        running.more_acknowledged(&load, 200).await;
        running.cluster.restart(&[server]).await.context("a server that was killed")?;
        running.in_step().await;
    }
    running.check_counted(load).await
}

#[tokio::test]
async fn a_monitoring_address_that_hangs_delays_nothing_when_a_server_dies() -> TestResult {
    // It takes connections and answers nothing, as a machine that is gone answers nothing.
    let hung = TcpListener::bind("127.0.0.1:0").await?;
    let monitor = format!("http://{}", hung.local_addr()?);
    // Connected to the server that dies; ingest hears of the others from it.
    let mut running = running_of(SERVERS, |url, monitors| {
        [url.split(',').next().unwrap_or_default().to_owned(), format!("{monitors},{monitor}")]
    })
    .await?;
    running.readyz(200).await;
    running.in_step().await;
    let load = Load::start(&running.stack.ingest_client, CLIENTS);
    running.more_acknowledged(&load, 500).await;
    running.lose(0).await?;
    running.more_acknowledged(&load, 200).await;
    running.cluster.restart(&[0]).await?;
    running.in_step().await;
    running.check_counted(load).await
}

#[tokio::test]
async fn a_server_that_hangs_is_left_for_the_others() -> TestResult {
    let running = running(SERVERS).await?;
    running.in_step().await;
    let load = Load::start(&running.stack.ingest_client, CLIENTS);
    running.more_acknowledged(&load, 500).await;
    for server in 0..SERVERS {
        running.cluster.freeze(server)?;
        let stored = join_all(sites().iter().map(|site| running.until_stored(site))).await;
        println!("server {server} hangs; stored after {stored:?}");
        // It may still take itself for the leader.
        running.cluster.thaw(server);
        running.in_step().await;
    }
    running.check_counted(load).await
}

#[tokio::test]
async fn two_of_three_servers_away_mean_503_and_nothing_acknowledged_is_lost() -> TestResult {
    let mut running = running(SERVERS).await?;
    running.in_step().await;
    let load = Load::start(&running.stack.ingest_client, CLIENTS);
    running.more_acknowledged(&load, 500).await;
    running.cluster.kill(0).await;
    running.cluster.kill(1).await;
    let acknowledged = load.acknowledged();
    wait::until("events are refused", SOON, async || (load.refused() >= 2 * CLIENTS as u64).then_some(())).await;
    // One answer for each client may have been on its way when the servers went.
    let late = load.acknowledged() - acknowledged;
    assert!(late <= CLIENTS as u64, "{late} events were acknowledged by one server of three");
    wait::until("ingest is not ready", SOON, async || {
        (running.stack.ingest_client.get("/readyz").await.ok()?.status == 503).then_some(())
    })
    .await;
    // Two are enough.
    running.cluster.restart(&[0]).await?;
    running.more_acknowledged(&load, 500).await;
    running.cluster.restart(&[1]).await?;
    running.check_counted(load).await
}

#[tokio::test]
async fn streams_get_their_copies_while_events_come() -> TestResult {
    let mut running = running(1).await?;
    let load = Load::start(&running.stack.ingest_client, CLIENTS);
    running.more_acknowledged(&load, 500).await;
    let mut leaders = vec![];
    for partition in partitions() {
        leaders.push(leader(&running.log, partition).await?);
        copy_thrice(&running.log, partition).await?;
        in_step(&running.log, partition).await;
        running.more_acknowledged(&load, 100).await;
    }
    // What was there before has its copies, too.
    leaders.sort_unstable();
    leaders.dedup();
    for server in leaders {
        running.lose(server).await?;
        running.cluster.restart(&[server]).await?;
        running.in_step().await;
    }
    running.check_counted(load).await
}

#[tokio::test]
async fn a_server_that_comes_back_without_sync_gets_nothing_more_acknowledged() -> TestResult {
    const CHANGED: usize = 2;
    let mut running = running_of(SERVERS, |url, monitors| {
        // Connected to another server than the one that changes.
        [url.split(',').next().unwrap_or_default().to_owned(), monitors.to_owned()]
    })
    .await?;
    running.in_step().await;
    let load = Load::start(&running.stack.ingest_client, CLIENTS);
    running.more_acknowledged(&load, 200).await;
    let changed = running.cluster.restart_without_sync(CHANGED).await?;
    running.readyz(503).await;
    let answer = running.stack.ingest_client.get("/readyz").await?;
    assert!(answer.error().contains("sync_interval: always"), "{}", answer.text);
    assert!(running.ingest.log_tail(1_000).contains("server tidemark-3 at http://127.0.0.1:"), "which server it is");
    let acknowledged = load.acknowledged();
    let refused = load.refused();
    wait::until("events are refused", SOON, async || (load.refused() >= refused + 1_000).then_some(())).await;
    // One answer for each client may have been on its way.
    let late = load.acknowledged() - acknowledged;
    assert!(late <= CLIENTS as u64, "{late} events were acknowledged");
    drop(changed);
    running.cluster.restart(&[CHANGED]).await?;
    running.readyz(200).await;
    running.more_acknowledged(&load, 200).await;
    running.in_step().await;
    running.check_counted(load).await
}

#[tokio::test]
async fn a_server_with_a_copy_that_nobody_can_ask_is_not_trusted() -> TestResult {
    let mut running = running_of(SERVERS, |url, monitors| {
        let first = |urls: &str| urls.split(',').next().unwrap_or_default().to_owned();
        [first(url), first(monitors)]
    })
    .await?;
    running.in_step().await;
    // The leader is asked: only the followers are not.
    running.restart_ingest_with_leader(0).await?;
    wait::until("/readyz says that a server has not confirmed", SOON, async || {
        let answer = running.stack.ingest_client.get("/readyz").await.ok()?;
        let unconfirmed = "a server that stores events has not confirmed that it syncs before it acknowledges";
        (answer.status == 503 && answer.error() == unconfirmed).then_some(())
    })
    .await;
    let answer = running.stack.ingest_client.post("/event", event("site", "/")).await?;
    assert_eq!(answer.status, 503, "{}", answer.text);
    let said = running.ingest.log_tail(1_000);
    assert!(said.contains("NATS_MONITOR_URLS must have the monitoring address of each"), "{said}");
    assert!(said.contains("server tidemark-2 stores") || said.contains("server tidemark-3 stores"), "{said}");
    Ok(())
}
