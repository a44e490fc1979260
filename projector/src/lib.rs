//! Folds the log into read models, exactly once. Never serves reports.
//!
//! An envelope's way through here: [`source`] → [`deltas`] → [`commit`], once for each partition, over and over. The
//! checkpoint lies in Postgres and moves in the transaction that writes what it stands for; that is all there is to
//! exactly once. Whatever fails, the partition is opened again at its checkpoint.

/// What can be set from outside.
pub mod config;

/// The schema, brought to this version.
pub mod migrate;

/// Which complete set of read models is built.
pub mod generation;

/// All partitions, each in its own task.
pub mod partitions;

/// One partition, from its checkpoint on.
pub mod projection;

/// Envelopes behind the checkpoint, in order and without a gap.
pub mod source;

/// The fold: from events to what they add. Pure.
pub mod deltas;

/// Event ids that were seen lately, to recognise repeats. Pure.
pub mod repeats;

/// The same, as Postgres remembers it.
pub mod recent;

/// Who owns a partition.
pub mod lease;

/// How far a partition is folded.
pub mod checkpoint;

/// One batch, in one transaction.
pub mod commit;

/// The statements that add to read models.
mod models;

/// The connection to the log.
mod log;

/// Health and metrics over HTTP.
mod ops;

/// What operators ask and decide.
pub mod operator;

use std::time::Duration;

use anyhow::Context;
use contract::SketchKey;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use config::{Config, STATEMENT_TIMEOUT};
use deltas::{FOLD_VERSION, Fold};
use generation::Identity;
use lease::Instance;
use operator::parked;
use partitions::Partitions;
use repeats::WindowSeconds;

/// Connections to Postgres: one for each partition that commits, and a few for questions.
const CONNECTIONS_MAX: u32 = 16;

/// Follows the log until `shutdown`.
///
/// # Errors
///
/// The configuration cannot be used, the read models belong to another fold or key, or a task ended that must not.
/// A database or a log that is away is waited for.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let key = sketch_key(&config);
    let window = WindowSeconds::try_from(config.event_id_window_s).context("reading EVENT_ID_WINDOW_S")?;
    let ours = Identity { fold_version: FOLD_VERSION, key: key.id(), event_id_window_s: window.get() };
    let listener = TcpListener::bind(config.projector_listen)
        .await
        .with_context(|| format!("listening on {} (PROJECTOR_LISTEN)", config.projector_listen))?;
    let lease = config.lease()?;
    let instance = Instance::new(lease);
    let pool = pool(&config, lease, Commits::Asynchronous)?;
    let jetstream = log::connect(&config).await?;
    let partitions = Partitions::default();

    let mut tasks = JoinSet::new();
    let ops = ops::router(pool.clone(), partitions.clone());
    tasks.spawn(serve(listener, ops, shutdown.clone()));
    let stop = shutdown.clone();
    tasks.spawn(async move {
        let generation = generation::wait_for(&pool, ours, &stop).await?;
        let Some(generation) = generation else { return Ok(()) };
        let parts = projection::Parts { pool, jetstream, instance, generation, window, fold: Fold::new(key) };
        partitions.follow(parts, config.limits(), stop).await
    });
    while let Some(ended) = tasks.join_next().await {
        ended.context("a task of the projector")??;
        anyhow::ensure!(shutdown.is_cancelled(), "a task of the projector ended without a reason");
    }
    tracing::info!("Stopped");
    Ok(())
}

/// What an operator asks or decides.
#[derive(Debug, clap::Subcommand)]
pub enum Task {
    /// Show how every partition is, and what to do for those that stand still.
    Status,
    /// Let a partition that stands still go on without a piece of history, or with another one.
    Acknowledge {
        /// The partition.
        #[arg(long)]
        partition: u16,
        /// Where it goes on, as `projector status` says.
        #[arg(long)]
        to: u64,
        /// Who decides this; it is recorded.
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
    /// The same with what was sent.
    Show(parked::Selection),
    /// Fold them again, after a fix: those that can be read now count, once.
    Retry {
        /// Which.
        #[command(flatten)]
        selection: parked::Selection,
        /// Who decides this; it is recorded.
        #[arg(long)]
        by: String,
    },
    /// Give them up; they stay in the table.
    Discard {
        /// Which.
        #[command(flatten)]
        selection: parked::Selection,
        /// Who decides this; it is recorded.
        #[arg(long)]
        by: String,
    },
}

/// Does what an operator asks, beside projectors that run.
///
/// # Errors
///
/// The database is away, or what is asked does not fit what is there.
pub async fn operate(config: Config, task: Task) -> anyhow::Result<()> {
    let pool = pool(&config, config.lease()?, Commits::Synchronous)?;
    let window = WindowSeconds::try_from(config.event_id_window_s).context("reading EVENT_ID_WINDOW_S")?;
    match task {
        Task::Status => Ok(operator::status::print(&pool).await?),
        Task::Acknowledge { partition, to, by } => operator::acknowledge::acknowledge(&pool, partition, to, &by).await,
        Task::Repeats { site } => Ok(operator::repeats::print(&pool, site.as_deref()).await?),
        Task::Parked(ParkedTask::List(selection)) => parked::list(&pool, selection).await,
        Task::Parked(ParkedTask::Show(selection)) => parked::show(&pool, selection).await,
        Task::Parked(ParkedTask::Discard { selection, by }) => parked::discard(&pool, selection, &by).await,
        Task::Parked(ParkedTask::Retry { selection, by }) => {
            let fold = Fold::new(sketch_key(&config));
            parked::retry(&pool, &fold, window, selection, &by).await
        }
    }
}

async fn serve(listener: TcpListener, ops: axum::Router, shutdown: CancellationToken) -> anyhow::Result<()> {
    service::server::serve(listener, ops, shutdown).await;
    Ok(())
}

fn sketch_key(config: &Config) -> SketchKey {
    config.sketch_key.clone().map_or_else(
        || {
            tracing::warn!(
                "SKETCH_KEY is not set: users are counted under a key that everybody knows, and whoever knows it can \
                 make up any number of them. `openssl rand -hex 16` makes one"
            );
            SketchKey::for_development()
        },
        |key| key.0,
    )
}

/// What a commit waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Commits {
    /// Nothing: one that a crash of Postgres loses is folded from the log once more.
    Asynchronous,
    /// The disk: what a person has decided is in no log.
    Synchronous,
}

fn pool(config: &Config, lease: Duration, commits: Commits) -> anyhow::Result<PgPool> {
    let options: PgConnectOptions = config.database_url.parse().context("reading DATABASE_URL")?;
    let (statement_timeout, idle_timeout) = (STATEMENT_TIMEOUT.as_millis().to_string(), lease.as_millis().to_string());
    let options = options.application_name("tidemark-projector").options([
        ("statement_timeout", statement_timeout.as_str()),
        // A projector that stands still in a transaction must not keep others from taking its partitions over.
        ("idle_in_transaction_session_timeout", idle_timeout.as_str()),
        ("synchronous_commit", if commits == Commits::Asynchronous { "off" } else { "on" }),
    ]);
    Ok(PgPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(STATEMENT_TIMEOUT)
        .connect_lazy_with(options))
}
