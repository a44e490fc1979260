//! The stack that is measured: real servers, quiet logs.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use launcher::build::{self, Profile};
use launcher::process::Process;
use sqlx::PgPool;
use testkit::observe::kernel::memory_peak_bytes;
use testkit::stack::{DATABASE, Projector, Stack};

use crate::findings::{Finding, Findings};
use crate::usage;

/// Slices of the log.
pub(crate) const PARTITIONS: u16 = 4;

const QUIET: (&str, &str) = ("RUST_LOG", "warn");

/// Servers, and those of the services that a scenario needs.
pub(crate) struct Rig {
    pub(crate) stack: Stack,
    pub(crate) pool: PgPool,
    services: BTreeMap<&'static str, Process>,
}

/// CPU seconds of each process at some instant.
pub(crate) struct Cpu(BTreeMap<&'static str, f64>);

impl Rig {
    /// Servers with the schema and the streams in place.
    pub(crate) async fn start(profile: Profile) -> Result<Self> {
        let stack = Stack::servers_for(build::services(profile).await?).await?;
        let pool = stack.database(DATABASE)?;
        let mut rig = Self { stack, pool, services: BTreeMap::new() };
        rig.start_ingest().await?;
        Ok(rig)
    }

    async fn start_ingest(&mut self) -> Result<()> {
        let partitions = PARTITIONS.to_string();
        let ingest = self.stack.ingest(&[QUIET, ("PARTITIONS", &partitions)]).await?;
        self.services.insert("ingest", ingest);
        Ok(())
    }

    pub(crate) async fn start_projector(&mut self) -> Result<()> {
        let Projector { process, .. } = self.stack.projector(DATABASE, &[QUIET, ("LEASE_MS", "5000")]).await?;
        self.services.insert("projector", process);
        Ok(())
    }

    pub(crate) async fn start_query(&mut self) -> Result<()> {
        // One address stands for all clients here.
        let query = self.stack.query_with(&[QUIET, ("QUERY_CLIENT_SHARE_PERCENT", "100")]).await?;
        self.services.insert("query", query);
        Ok(())
    }

    pub(crate) fn ingest_port(&self) -> u16 {
        self.stack.ingest_port()
    }

    pub(crate) fn query_port(&self) -> u16 {
        self.stack.query_client.port()
    }

    /// What each process has used so far.
    pub(crate) fn cpu(&self) -> Result<Cpu> {
        let services = self.services.iter().map(|(name, process)| (*name, process.pid()));
        let servers =
            [("nats-server", self.stack.nats.process().pid()), ("Postgres", self.stack.postgres.process().pid())];
        let all = services.chain(servers).map(|(name, pid)| Ok((name, usage::cpu_seconds(pid)?)));
        Ok(Cpu(all.collect::<Result<_>>()?))
    }

    /// CPU seconds that a million events cost since then, of each process.
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub(crate) fn note_cpu(
        &self,
        scenario: &'static str,
        of: &str,
        since: &Cpu,
        events: u64,
        findings: &mut Findings,
    ) -> Result<()> {
        for (name, seconds) in self.cpu()?.0 {
            let used = seconds - since.0.get(name).copied().unwrap_or(0.0);
            let what = format!("{of}: CPU of {name}, a million events");
            findings.note(Finding::new(scenario, what, "s", used / events as f64 * 1e6));
        }
        Ok(())
    }

    /// The most memory that a service has had so far, in megabytes.
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub(crate) fn peak_megabytes(&self, service: &str) -> Result<f64> {
        let process = self.services.get(service).with_context(|| format!("{service} does not run"))?;
        Ok(memory_peak_bytes(process.pid()) as f64 / 1e6)
    }

    /// Waits until everything in the log is counted.
    pub(crate) async fn wait_until_drained(&self) -> Result<()> {
        let ends = self.stack.log_ends().await?;
        while testkit::observe::snapshot::checkpoints(&self.pool).await.unwrap_or_default() != ends {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        Ok(())
    }
}
