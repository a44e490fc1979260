//! Three servers that keep the log together, killed and started at will.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use async_nats::ConnectOptions;
use async_nats::jetstream::stream::{Compression, Config, Stream};
use async_nats::jetstream::{self, context::ContextBuilder};
use bytes::Bytes;
use contract::Partition;
use futures_util::future::try_join_all;
use launcher::process::Process;
use launcher::servers::nats::{Nats, NatsUser, start_cluster};
use testkit::failure::TestFolder;
use testkit::stack::Stack;
use testkit::wait;

/// Servers, and copies of each stream.
pub(crate) const SERVERS: usize = 3;

/// A server that comes back copies what it has missed, and one of them may first have to be elected.
const CATCH_UP_BOUND: Duration = Duration::from_mins(1);

/// While a stream has no leader, no server answers questions about it.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(1);

/// The servers. Dropped, they are gone.
pub(crate) struct Cluster {
    servers: [Nats; SERVERS],
    dir: TestFolder,
}

impl Cluster {
    /// Starts them with empty stores. Their users have the passwords of the stack's own server.
    pub(crate) async fn start(stack: &Stack) -> Result<Self> {
        let dir = TestFolder::new("tidemark-cluster-")?;
        let servers = start_cluster(dir.path(), &stack.nats).await?;
        Ok(Self { servers, dir })
    }

    /// Where they keep what they store.
    pub(crate) fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// Leads ingest and projector there.
    pub(crate) fn environment(&self) -> [(&'static str, String); 2] {
        let all = |url: fn(&Nats) -> String| self.servers.iter().map(url).collect::<Vec<_>>().join(",");
        [("NATS_URL", all(Nats::url)), ("NATS_MONITOR_URLS", all(Nats::monitor_url))]
    }

    /// The log, as an operator sees it.
    pub(crate) async fn log(&self) -> Result<jetstream::Context> {
        let user = self.servers[0].user(NatsUser::Operator);
        let urls: Vec<String> = self.servers.iter().map(Nats::url).collect();
        let client = ConnectOptions::new().user_and_password(user.user, user.password).connect(urls).await;
        Ok(ContextBuilder::new().timeout(QUESTION_TIMEOUT).build(client.context("connecting as operator")?))
    }

    /// Kills one without warning.
    pub(crate) async fn kill(&mut self, server: usize) {
        self.servers[server].kill().await;
    }

    /// Stops one in mid-air: it holds its connections and answers nothing.
    pub(crate) fn freeze(&self, server: usize) -> Result<()> {
        self.servers[server].freeze()
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self, server: usize) {
        self.servers[server].thaw();
    }

    /// Starts one again that does not sync before it acknowledges, as a process of the caller's.
    pub(crate) async fn restart_without_sync(&mut self, server: usize) -> Result<Process> {
        let (of_cluster, of_server) = (self.dir.path().join("cluster.conf"), self.dir.path().join("server.conf"));
        let conf = std::fs::read_to_string(nats_conf("server.conf")).context("reading a configuration")?;
        std::fs::write(&of_server, conf.replace("sync_interval: always", "sync_interval: \"2m\""))?;
        std::fs::copy(nats_conf("cluster.conf"), &of_cluster).context("copying a configuration")?;
        self.servers[server].stop().await;
        self.servers[server].start_again_with(&of_cluster).await
    }

    /// Starts some again, at once: one alone is not ready before there is another one.
    pub(crate) async fn restart(&mut self, servers: &[usize]) -> Result<()> {
        let down = self.servers.iter_mut().enumerate().filter(|(index, _)| servers.contains(index));
        try_join_all(down.map(|(_, server)| server.restart())).await?;
        Ok(())
    }
}

fn nats_conf(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../nats").join(name)
}

/// Which server leads a partition's stream.
pub(crate) async fn leader(log: &jetstream::Context, partition: Partition) -> Result<usize> {
    let stream = log.get_stream(partition.stream()).await?;
    let leader = stream.cached_info().cluster.as_ref().and_then(|cluster| cluster.leader.clone());
    let number = leader.as_deref().and_then(|name| name.strip_prefix("tidemark-")?.parse::<usize>().ok());
    number.context("the stream has no leader").map(|number| number - 1)
}

/// Lets another server than this one lead a partition's stream.
pub(crate) async fn lead_elsewhere(log: &jetstream::Context, partition: Partition, server: usize) -> Result<()> {
    if leader(log, partition).await? == server {
        let subject = format!("$JS.API.STREAM.LEADER.STEPDOWN.{}", partition.stream());
        log.client().request(subject, Bytes::new()).await.context("asking a leader to step down")?;
    }
    wait::until("another server leads", CATCH_UP_BOUND, async || {
        (leader(log, partition).await.ok()? != server).then_some(())
    })
    .await;
    Ok(())
}

/// Lets this server lead a partition's stream.
pub(crate) async fn lead_at(log: &jetstream::Context, partition: Partition, server: usize) -> Result<()> {
    let subject = format!("$JS.API.STREAM.LEADER.STEPDOWN.{}", partition.stream());
    let wanted = format!(r#"{{"placement":{{"preferred":"tidemark-{}"}}}}"#, server + 1);
    wait::until("the server leads", CATCH_UP_BOUND, async || {
        if leader(log, partition).await.ok()? == server {
            return Some(());
        }
        // A follower that is not up to date is not taken: it is asked for again.
        log.client().request(subject.clone(), wanted.clone().into()).await.ok()?;
        None
    })
    .await;
    Ok(())
}

/// Asks for three copies of a partition's stream, without compression, as `nats stream edit --compression none
/// --replicas 3` does.
pub(crate) async fn copy_thrice(log: &jetstream::Context, partition: Partition) -> Result<()> {
    let config = log.get_stream(partition.stream()).await?.cached_info().config.clone();
    let config = Config { num_replicas: SERVERS, compression: Some(Compression::None), ..config };
    log.update_stream(config).await.with_context(|| format!("changing {}", partition.stream()))?;
    Ok(())
}

/// Waits until a partition's stream has three copies which are all up to date.
pub(crate) async fn in_step(log: &jetstream::Context, partition: Partition) {
    wait::until("three copies are up to date", CATCH_UP_BOUND, async || {
        let stream = log.get_stream(partition.stream()).await.ok()?;
        are_current(&stream).then_some(())
    })
    .await;
}

fn are_current(stream: &Stream) -> bool {
    let Some(cluster) = &stream.cached_info().cluster else { return false };
    cluster.leader.is_some()
        && cluster.replicas.len() == SERVERS - 1
        && cluster.replicas.iter().all(|replica| replica.current && !replica.offline)
}
