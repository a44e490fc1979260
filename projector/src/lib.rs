//! Folds the log into read models, exactly once. Never serves reports.
//!
//! An envelope's way through here: [`event_log`] → [`fold`] → [`read_models`], once for each partition, over and over, driven
//! by the tasks of `worker`. The checkpoint lies in Postgres and moves in the transaction that writes what it stands for;
//! that is all there is to exactly once. Whatever fails, the partition is opened again at its checkpoint.

/// What can be set from outside.
pub mod config;

/// The read models in Postgres.
pub mod read_models;

/// Follows the log into the read models.
pub mod worker;

/// Makes another generation the active one.
mod cutover;

/// What operators ask and decide.
pub mod admin;

/// What is measured.
mod metrics;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use admin::Admin;
pub use admin::Task;
use config::{Config, STATEMENT_TIMEOUT};
use database::{Session, Use};
use worker::context::Context;
use worker::generations::Generations;
use worker::{bootstrap, health, high_water_mark, monthly_rollup, parked_gauge};

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
    let context = Context::open(&config, pool).await?;
    let generations = Generations::default();

    let mut tasks = JoinSet::new();
    let ops = health::router(context.pool.clone(), generations.clone(), config.stall_max()?);
    tasks.spawn(serve(listener, ops, shutdown.clone()));
    let (ends, seen) = watch::channel(None);
    tasks.spawn(high_water_mark::poll(context.jetstream.clone(), generations.clone(), ends, shutdown.clone()));
    tasks.spawn(high_water_mark::report(context.pool.clone(), seen, shutdown.clone()));
    tasks.spawn(parked_gauge::poll(context.pool.clone(), shutdown.clone()));
    tasks.spawn(monthly_rollup::run(context.pool.clone(), generations.clone(), shutdown.clone()));
    tasks.spawn(cutover::run(context.clone(), config.generations_kept, shutdown.clone()));
    let stop = shutdown.clone();
    tasks.spawn(async move {
        if bootstrap::wait_for_generation(&context.pool, context.supported, &stop).await? {
            generations.follow(context, stop).await?;
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
pub async fn operate(config: Config, task: Task) -> anyhow::Result<ExitCode> {
    let pool = pool(&config, config.lease()?, Commits::Synchronous)?;
    database::check("DATABASE_URL", &pool.connect_options(), Use::Writing).await?;
    Box::pin(Admin { pool, config }.run(task)).await
}

async fn serve(listener: TcpListener, ops: axum::Router, shutdown: CancellationToken) -> anyhow::Result<()> {
    service::listener::serve(listener, service::listener::Connections::default(), ops, shutdown).await;
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
