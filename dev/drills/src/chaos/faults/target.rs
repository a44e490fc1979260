//! What can be killed and frozen, and how it is started again.

use anyhow::Result;
use launcher::process::Process;
use launcher::process::ready;

use crate::chaos::faults::network::Cable;
use crate::chaos::run::Run;
use testkit::stack::{DATABASE, Stack};

/// Slices of the log: as many as a deployment has by default.
pub(in crate::chaos) const PARTITIONS: u16 = 4;

/// A process of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::chaos) enum Target {
    Ingest,
    ProjectorA,
    ProjectorB,
    Query,
    Nats,
    Postgres,
}

impl Target {
    /// In the order of their first start: servers, then services.
    pub(in crate::chaos) const ALL: [Self; 6] =
        [Self::Nats, Self::Postgres, Self::Ingest, Self::ProjectorA, Self::ProjectorB, Self::Query];

    /// What a report needs.
    pub(in crate::chaos) const OF_REPORTS: [Self; 2] = [Self::Query, Self::Postgres];

    /// Names the process, and its log.
    pub(in crate::chaos) fn name(self) -> &'static str {
        match self {
            Self::ProjectorA => "projector-a",
            Self::ProjectorB => "projector-b",
            other => other.kind(),
        }
    }

    /// Names all processes that run the same program.
    pub(in crate::chaos) fn kind(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::ProjectorA | Self::ProjectorB => "projector",
            Self::Query => "query",
            Self::Nats => "nats-server",
            Self::Postgres => "postgres",
        }
    }

    /// What is connected to the log.
    pub(in crate::chaos) const OF_THE_LOG: [Self; 3] = [Self::Ingest, Self::ProjectorA, Self::ProjectorB];

    /// Starts it. Servers and query are waited for until they serve; ingest is not, because it needs the log, which
    /// may be down for longer than ingest is to live.
    pub(in crate::chaos) async fn start(self, run: &Run) -> Result<Process> {
        let Run { stack, cables, .. } = run;
        let url = cables.get(&self).map(Cable::url).unwrap_or_default();
        match self {
            Self::Nats => stack.nats.start_again().await,
            Self::Postgres => stack.postgres.start_again().await,
            Self::Ingest => stack.ingest_unready(&[("NATS_URL", &url), ("PARTITIONS", &PARTITIONS.to_string())]),
            Self::ProjectorA => self.projector(stack, &[("NATS_URL", &url)]).await,
            // Where a batch ends must not show: one of the two makes small ones.
            Self::ProjectorB => self.projector(stack, &[("NATS_URL", &url), ("BATCH_EVENTS_MAX", "100")]).await,
            Self::Query => stack.query().await,
        }
    }

    async fn projector(self, stack: &Stack, environment: &[(&str, &str)]) -> Result<Process> {
        let projector = stack.projector_named(self.name(), DATABASE, environment)?;
        ready::wait_for_http(&projector.process, &projector.client.url("/healthz")).await?;
        Ok(projector.process)
    }
}
