//! The commands, as they are typed.

use std::process::ExitCode;

use sqlx::PgPool;

use super::acknowledge::{self, confirm};
use super::archive::{self, restore};
use super::scope_args::ScopeArgs;
use super::{diff, erase, parked, promote, rebuild, repeats, status, verify};
use crate::config::Config;
use crate::worker::context::Context;

/// What an operator asks or decides.
#[derive(Debug, clap::Subcommand)]
pub enum Task {
    /// Show how generations and partitions are, and what to do for those that stand still.
    Status(status::Options),
    /// Build new read models from the log beside the active ones, and switch to them.
    Rebuild(rebuild::Options),
    /// Make a generation the active one once it has caught up, whatever the comparison says.
    Promote(promote::Promote),
    /// Go back to the generation that was active before.
    Rollback(promote::Rollback),
    /// Drop a generation that reports do not come from.
    Drop {
        /// Number of the generation, as `projector status` says.
        generation: i32,
    },
    /// Fold the log anew and compare with the active generation, row by row, while traffic goes on.
    Verify(ScopeArgs),
    /// Compare two generations, row by row.
    Diff(diff::Options),
    /// Erase all events of a site or of one of its users, from the log and from what was counted, and prove it.
    Forget(erase::Options),
    /// Write the log's envelopes into files, and take what is written out of the log if asked to.
    Archive(archive::Options),
    /// Bring archived envelopes back, so that read models can be built from them.
    Restore(restore::Options),
    /// Let a partition that stands still go on without a piece of history, or with another one.
    Acknowledge {
        /// The partition.
        #[arg(long)]
        partition: u16,
        /// Where it goes on, as `projector status` says.
        #[arg(long)]
        to: u64,
        /// Name of the operator who decides this; it is recorded.
        #[arg(long)]
        by: String,
    },
    /// Deal with events that could not be read.
    #[command(subcommand)]
    Parked(ParkedTask),
    /// Show how many events of each site were not counted because their `event_id` was known; at most 1,000 sites.
    Repeats {
        /// Only this site.
        #[arg(long)]
        site: Option<String>,
    },
}

/// What to do with events that could not be read.
#[derive(Debug, clap::Subcommand)]
pub enum ParkedTask {
    /// Place and reason of each, at most 1,000.
    List(parked::Selection),
    /// List them with what was sent.
    Show(parked::Selection),
    /// Fold them again, after a fix: those that can be read now count, once.
    Retry {
        /// Which.
        #[command(flatten)]
        selection: parked::Selection,
        /// Name of the operator who decides this; it is recorded.
        #[arg(long)]
        by: String,
    },
    /// Give them up; they stay in the table.
    Discard {
        /// Which.
        #[command(flatten)]
        selection: parked::Selection,
        /// Name of the operator who decides this; it is recorded.
        #[arg(long)]
        by: String,
    },
}

/// What the commands work with.
pub struct Admin {
    /// Everything but the log.
    pub(crate) pool: PgPool,
    /// What was set from outside.
    pub(crate) config: Config,
}

impl Admin {
    /// With the log.
    pub(crate) async fn context(&self) -> anyhow::Result<Context> {
        Context::open(&self.config, self.pool.clone()).await
    }

    /// Does what is asked. Failure means that something was found that should not be.
    pub async fn run(&self, task: Task) -> anyhow::Result<ExitCode> {
        let pool = &self.pool;
        match task {
            Task::Status(options) => status::print(pool, options).await?,
            Task::Rebuild(options) => return rebuild::rebuild(&self.context().await?, options).await,
            Task::Promote(options) => return promote::promote(pool, options).await,
            Task::Rollback(options) => return promote::rollback(pool, options).await,
            Task::Drop { generation } => promote::drop(pool, generation).await?,
            Task::Verify(narrow) => return verify::verify(&self.context().await?, narrow).await,
            Task::Diff(options) => return diff::diff(pool, options).await,
            Task::Forget(options) => return erase::forget(&self.context().await?, options).await,
            Task::Archive(options) => Box::pin(archive::archive(&self.context().await?, options)).await?,
            Task::Restore(options) => restore::restore(&self.context().await?, options).await?,
            Task::Acknowledge { partition, to, by } => {
                let resume = confirm::confirm(&self.context().await?, partition, to).await?;
                acknowledge::acknowledge(pool, partition, resume, &by).await?;
            }
            Task::Parked(task) => self.run_parked(task).await?,
            Task::Repeats { site } => repeats::print(pool, site.as_deref()).await?,
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn run_parked(&self, task: ParkedTask) -> anyhow::Result<()> {
        let pool = &self.pool;
        match task {
            ParkedTask::List(selection) => parked::list(pool, selection).await,
            ParkedTask::Show(selection) => parked::show(pool, selection).await,
            ParkedTask::Discard { selection, by } => parked::discard(pool, selection, &by).await,
            ParkedTask::Retry { selection, by } => {
                let key = self.config.key();
                let settings = parked::FoldSettings { key: &key, window: self.config.window()? };
                parked::retry(pool, settings, selection, &by).await
            }
        }
    }
}
