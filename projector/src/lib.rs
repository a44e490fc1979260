//! Folds the log into read models, exactly once. Never serves reports.
//!
//! An envelope's way through here: [`source`] → [`deltas`] → [`commit`], once for each partition, over and over. The
//! checkpoint lies in Postgres and moves in the transaction that writes what it stands for; that is all there is to
//! exactly once. Whatever fails, the partition is opened again at its checkpoint.

/// What can be set from outside.
pub mod config;

/// The schema, brought to this version.
pub mod migrate;

/// Complete sets of read models.
pub mod generation;

/// Which of them this projector builds.
pub mod plan;

/// All of those, each with its partitions.
mod generations;

/// All partitions of one, each in its own task.
mod partitions;

/// One partition, from its checkpoint on.
mod projection;

/// How far a generation that is built may be folded now.
mod ceiling;

/// How much of it at once.
mod width;

/// And who may now.
pub mod turns;

/// And how hard.
pub mod effort;

/// Envelopes behind the checkpoint, in order and without a gap.
pub mod source;

/// Events taken out of the log, for good.
mod erasure;

/// Old envelopes, as files.
mod archive;

/// The fold: from events to what they add. Pure.
pub mod deltas;

/// Versions of the fold.
pub mod fold_version;

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

/// Why that fails.
mod commit_error;

/// Batches of what is read.
mod batch;

/// Their limits.
mod limits;

/// Numbers as Postgres stores them.
mod bigint;

/// What all tasks share.
mod context;

/// Partitions in tasks of their own.
mod assignment;

/// Finding the event that Postgres refuses.
mod isolation;

/// An envelope, line by line.
mod commit_lines;

/// The statements that add to read models.
mod models;

/// Two generations, compared.
mod comparison;

/// From one generation to another.
mod switch;

/// Where each stream ends.
mod log_end;

/// Months that are over, summed up.
mod months;

/// Whether a partition gets on.
mod progress;

/// Parked events that wait for somebody.
mod pending_decisions;

/// What is measured.
mod instruments;

/// The connection to the log.
mod log;

/// Health and metrics over HTTP.
mod ops;

/// What operators ask and decide.
pub mod operator;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use config::{Config, STATEMENT_TIMEOUT};
use context::Workshop;
use database::{Session, Use};
use generations::Generations;
use operator::Desk;
pub use operator::Task;

/// Connections to Postgres: two for each of four partitions that are owned, and a few for questions and comparisons.
const CONNECTIONS_MAX: u32 = 16;

/// Follows the log until `shutdown`.
///
/// # Errors
///
/// The configuration cannot be used, the read models belong to another key or window, or a task ended that must not.
/// A database or a log that is away is waited for.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let listener = TcpListener::bind(config.projector_listen)
        .await
        .with_context(|| format!("listening on {} (PROJECTOR_LISTEN)", config.projector_listen))?;
    let pool = pool(&config, config.lease()?, Commits::Asynchronous)?;
    let workshop = Workshop::open(&config, pool).await?;
    let generations = Generations::default();

    let mut tasks = JoinSet::new();
    let ops = ops::router(workshop.pool.clone(), generations.clone(), config.stall_max()?);
    tasks.spawn(serve(listener, ops, shutdown.clone()));
    let (ends, seen) = watch::channel(None);
    tasks.spawn(log_end::watch(workshop.jetstream.clone(), generations.clone(), ends, shutdown.clone()));
    tasks.spawn(log_end::tell(workshop.pool.clone(), seen, shutdown.clone()));
    tasks.spawn(pending_decisions::watch(workshop.pool.clone(), shutdown.clone()));
    tasks.spawn(months::attend(workshop.pool.clone(), generations.clone(), shutdown.clone()));
    tasks.spawn(switch::attend(workshop.clone(), config.generations_kept, shutdown.clone()));
    let stop = shutdown.clone();
    tasks.spawn(async move {
        if plan::wait_for(&workshop.pool, workshop.abilities, &stop).await? {
            generations.follow(workshop, stop).await?;
        }
        Ok(())
    });
    while let Some(ended) = tasks.join_next().await {
        ended.context("a task of the projector")??;
        anyhow::ensure!(shutdown.is_cancelled(), "a task of the projector ended without a reason");
    }
    tracing::info!("Stopped");
    Ok(())
}

/// Does what an operator asks, beside projectors that run. Failure means that something was found that should not be.
///
/// # Errors
///
/// The database or the log is away, or what is asked does not fit what is there.
pub async fn operate(config: Config, task: Task) -> anyhow::Result<ExitCode> {
    let pool = pool(&config, config.lease()?, Commits::Synchronous)?;
    database::check("DATABASE_URL", &pool.connect_options(), Use::Writing).await?;
    Box::pin(Desk { pool, config }.carry_out(task)).await
}

async fn serve(listener: TcpListener, ops: axum::Router, shutdown: CancellationToken) -> anyhow::Result<()> {
    service::server::serve(listener, service::server::Connections::default(), ops, shutdown).await;
    Ok(())
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
    let options = config.connect_options()?;
    let (statement_timeout, idle_timeout) = (STATEMENT_TIMEOUT.as_millis().to_string(), lease.as_millis().to_string());
    let session = Session::of(&[
        ("statement_timeout", statement_timeout.as_str()),
        // A projector that stands still in a transaction must not keep others from taking its partitions over.
        ("idle_in_transaction_session_timeout", idle_timeout.as_str()),
        // Reports want processors, too.
        ("max_parallel_workers_per_gather", "0"),
        ("synchronous_commit", if commits == Commits::Asynchronous { "off" } else { "on" }),
        ("default_transaction_read_only", "off"),
    ]);
    Ok(PgPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(STATEMENT_TIMEOUT)
        .after_connect(move |db, _| {
            let session = session.clone();
            Box::pin(async move { session.apply(db).await })
        })
        .connect_lazy_with(options.application_name("tidemark-projector")))
}
