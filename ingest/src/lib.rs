//! Accepts events over HTTP and acknowledges each once the log has it on disk. Knows nothing of read models.
//!
//! Way of an event: `http` (body) → `submission` or `batch` (checks) → `publish` (group commit) → `log`, and the
//! `PubAck` all the way back.

pub mod config;

pub mod http;

pub mod submission;

pub mod batch;

mod publish;

mod memory;

mod log;

mod metrics;

pub mod clock;

use anyhow::{Context, bail};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use config::Config;
use http::Ingest;
use http::body::Bodies;
use log::ServerNames;
use publish::PublishQueue;
use service::access::Access;

/// Serves until `shutdown`, then answers the requests that were accepted.
///
/// # Errors
///
/// The log breaks a promise at the start (the message says what to change), or a task has ended.
pub async fn run(config: Config, listener: TcpListener, shutdown: CancellationToken) -> anyhow::Result<()> {
    config.check()?;
    let access = Access::new(config.access())?;
    let connections = config.connections()?;
    let (log, watchdog) = log::connect(&config).await.context("connecting to the log")?;
    let mut tasks = JoinSet::new();
    tasks.spawn(watchdog.run());
    let names = if config.ingest_ops_listen.is_some() { ServerNames::Hosts } else { ServerNames::Positions };
    tasks.spawn(log::watch_storage(config.nats_monitor_urls.clone(), names));
    let queue = PublishQueue::start(&log, &config, &mut tasks);
    let ingest = Ingest::new(queue, Bodies::new(config.bodies_bytes_max), log.clone(), config.partitions);
    let (health, operators) = http::health(&ingest, log).split(config.ingest_ops_listen, &config.trusted_proxies);
    let router = http::router(ingest, health, &access);
    let operators = service::listener::serve_operators(config.ingest_ops_listen, operators, shutdown.clone());
    let operators = operators.await.context("INGEST_OPS_LISTEN")?;
    tracing::info!(address = %listener.local_addr()?, partitions = config.partitions, "Accepting events");

    let serving = service::listener::serve(listener, connections, router, shutdown.clone());
    tokio::select! {
        biased;
        ended = tasks.join_next() => match ended {
            Some(Ok(Err(err))) => return Err(err),
            Some(Err(err)) => return Err(err).context("a task of ingest"),
            Some(Ok(Ok(()))) | None => bail!("a task of ingest ended without a reason"),
        },
        _ = async { tokio::join!(serving, operators) } => {}
    }
    // Every accepted request has its answer, so no event is waiting any more.
    tasks.shutdown().await;
    tracing::info!("Stopped");
    Ok(())
}
