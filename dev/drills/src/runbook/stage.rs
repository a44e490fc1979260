//! A whole Tidemark, its operator's shell, and visitors.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use contract::Receipt;
use launcher::process::Process;
use launcher::servers::nats::{Nats, start_cluster};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::act::Act;
use super::shell::Shell;
use super::visitor::{SITES, VISIT_PAUSE, event, post, visit};
use testkit::observe::snapshot;
use testkit::stack::{DATABASE, Projector, Stack};

/// A new leader is elected within a few seconds, and a projector that stands still looks every five.
const POST_BOUND: Duration = Duration::from_mins(1);

/// Everything that recipes are carried out against.
pub(super) struct Stage {
    // Ended first, then what they lead to.
    _visits: JoinSet<()>,
    ingest: Option<Process>,
    projector: Projector,
    cluster: Vec<Nats>,
    shell: Shell,
    /// What ingest and projector are started with, beside what every stack has.
    environment: BTreeMap<&'static str, String>,
    stack: Stack,
    folder: TempDir,
}

impl Stage {
    /// Starts all of it, with some events in each partition, all of them counted.
    pub(super) async fn open(nats_cli: &Path) -> Result<Self> {
        let stack = Stack::servers().await?;
        let ingest = stack.ingest(&[]).await?;
        let projector = stack.projector(DATABASE, &[]).await?;
        let client = &stack.ingest_client;
        let many: Vec<String> = ["/", "/pricing", "/about"].map(|path| event(SITES[2], path)).into();
        post(client, "/events", many.join("\n")).await?;
        for site in SITES {
            post(client, "/event", event(site, "/pricing")).await?;
            post(client, "/event", event(site, "/")).await?;
        }
        stack.drained(DATABASE).await?;
        let mut visits = JoinSet::new();
        visits.spawn(visit(client.clone()));
        let folder = tempfile::Builder::new().prefix("tidemark-recipes-").tempdir().context("making a folder")?;
        let shell = Shell::new(folder.path().to_owned(), variables(&stack, nats_cli, folder.path())?);
        Ok(Self {
            _visits: visits,
            ingest: Some(ingest),
            projector,
            cluster: vec![],
            shell,
            environment: BTreeMap::new(),
            stack,
            folder,
        })
    }

    /// Leaves data and logs where they are when all else is gone, and tells where.
    pub(super) fn keep_folder(&mut self) -> PathBuf {
        self.stack.keep_folder()
    }

    /// The operator's shell.
    pub(super) fn shell(&self) -> &Shell {
        &self.shell
    }

    /// Does what is not done at the shell.
    pub(super) async fn perform(&mut self, act: Act) -> Result<()> {
        match act {
            Act::StopIngest => self.stop_ingest().await,
            Act::StartIngest { partitions } => {
                self.environment.extend(partitions.map(|partitions| ("PARTITIONS", partitions.to_string())));
                self.stop_ingest().await;
                self.start_ingest().await?;
            }
            Act::PostEvent => self.post_event().await?,
            Act::StartCluster => {
                let folder = self.folder.path().join("cluster");
                self.cluster = start_cluster(&folder, &self.stack.nats).await?.into();
                self.shell.set("NATS_URL", self.cluster_urls(Nats::url));
            }
            Act::MoveToCluster => {
                self.environment.insert("NATS_URL", self.cluster_urls(Nats::url));
                self.environment.insert("NATS_MONITOR_URLS", self.cluster_urls(Nats::monitor_url));
                self.environment.insert("STREAM_REPLICAS", self.cluster.len().to_string());
                self.stop_ingest().await;
                self.projector.process.stop().await;
                self.stack.nats.stop().await;
                self.projector = self.stack.projector(DATABASE, &self.environment()).await?;
                self.start_ingest().await?;
            }
            Act::KillServers => {
                for index in 0..self.cluster.len() {
                    self.cluster[index].kill().await;
                    self.post_event().await.with_context(|| format!("without server {}", index + 1))?;
                    self.cluster[index].restart().await?;
                }
            }
        }
        Ok(())
    }

    /// As clients do, until it is stored; and then until it is counted.
    async fn post_event(&self) -> Result<()> {
        let stored = async {
            loop {
                match post(&self.stack.ingest_client, "/event", event(SITES[2], "/pricing")).await {
                    Ok(answer) => break answer,
                    Err(_) => sleep(VISIT_PAUSE).await,
                }
            }
        };
        let answer = timeout(POST_BOUND, stored).await.context("ingest stores nothing")?.json();
        let receipt: Receipt = answer["receipt"].as_str().context("there is no receipt")?.parse()?;
        let here = (i32::from(receipt.partition.number()), i64::try_from(receipt.sequence)?);
        let pool = self.stack.database(DATABASE)?;
        let counted = async {
            while !snapshot::checkpoints(&pool).await?.iter().any(|at| at.0 == here.0 && at.1 >= here.1) {
                sleep(VISIT_PAUSE).await;
            }
            anyhow::Ok(())
        };
        timeout(POST_BOUND, counted).await.context("the projector counts nothing")?
    }

    async fn stop_ingest(&mut self) {
        if let Some(ingest) = self.ingest.take() {
            ingest.stop().await;
        }
    }

    async fn start_ingest(&mut self) -> Result<()> {
        self.ingest = Some(self.stack.ingest(&self.environment()).await?);
        Ok(())
    }

    fn environment(&self) -> Vec<(&str, &str)> {
        self.environment.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }

    fn cluster_urls(&self, url: impl Fn(&Nats) -> String) -> String {
        self.cluster.iter().map(url).collect::<Vec<_>>().join(",")
    }
}

/// As after `. .tidemark/env`, without settings of the user's.
fn variables(stack: &Stack, nats_cli: &Path, folder: &Path) -> Result<BTreeMap<String, String>> {
    let environment = stack.environment(nats_cli);
    let mut variables: BTreeMap<String, String> =
        environment.variables().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    // In front, where `cargo run` puts them behind: these are the programs that are tested.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = environment.folders().iter().cloned().chain(std::env::split_paths(&path));
    let path = std::env::join_paths(folders.collect::<Vec<PathBuf>>()).context("making a PATH")?;
    variables.insert("PATH".to_owned(), path.into_string().ok().context("PATH is no text")?);
    variables.insert("XDG_CONFIG_HOME".to_owned(), folder.join("settings").display().to_string());
    Ok(variables)
}
