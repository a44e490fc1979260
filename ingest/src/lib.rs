//! Accepts events over HTTP and acknowledges each once the log has it on disk. Knows nothing of read models.
//!
//! An event's way through here: [`http`] → [`body`] → [`submission`] or [`batch`] → [`publisher`] → the log, and the
//! PubAck all the way back.

/// What can be set from outside.
pub mod config;

/// Routes, and the answers.
pub mod http;

/// The description of the interface.
pub mod openapi;

/// Request bodies, within bounds.
pub mod body;

/// One event that was sent.
pub mod submission;

/// Many events that were sent together.
pub mod batch;

/// Group commit: whatever waits in a partition becomes one envelope.
pub mod publisher;

/// One partition's envelopes, one after the other.
mod committer;

/// Events that wait.
mod pending;

/// The next message for the log.
mod envelope;

/// What messages may have in bytes.
mod size;

/// What an attempt to publish came to that failed.
mod failure;

/// The connection to the log, and whether the log can be trusted.
pub mod log;

/// What the connection tells.
mod listener;

/// Whether the log keeps the promises that a 2xx makes.
mod guard;

/// Streams: made if missing, refused if they break a promise.
mod streams;

/// What the guard knows of the log.
mod known;

/// Whether events may be given to the log.
mod trust;

/// Whether its servers sync before they acknowledge.
mod servers;

/// Whether the clocks of ingest and log agree.
mod clocks;

/// Whether the server can store anything.
mod health;

/// How much more it can store.
mod capacity;

/// What is measured.
mod instruments;

/// The only clocks.
pub mod clock;

use anyhow::{Context, bail};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use body::Bodies;
use capacity::Names;
use config::Config;
use http::Ingest;
use log::Log;
use publisher::Publisher;
use service::access::Access;

/// Serves until `shutdown`; then finishes what was accepted.
///
/// # Errors
///
/// The log breaks a promise that a 2xx makes (the message says what to change), or a task ended that must not.
pub async fn run(config: Config, listener: TcpListener, shutdown: CancellationToken) -> anyhow::Result<()> {
    config.check()?;
    let access = Access::new(config.access())?;
    let connections = config.connections()?;
    let (log, guard) = Log::connect(&config).await.context("connecting to the log")?;
    let mut tasks = JoinSet::new();
    tasks.spawn(guard.run());
    let names = if config.ingest_ops_listen.is_some() { Names::Hosts } else { Names::Places };
    tasks.spawn(capacity::watch(config.nats_monitor_urls.clone(), names));
    let publisher = Publisher::start(&log, &config, &mut tasks);
    let ingest = Ingest::new(publisher, Bodies::new(config.bodies_bytes_max), log.clone(), &config);
    let (health, operators) = http::health(&ingest, log.clone()).split(config.ingest_ops_listen.is_some());
    let router = http::router(ingest, health, &access);
    let operators = service::server::serve_operators(config.ingest_ops_listen, operators, shutdown.clone());
    let operators = operators.await.context("INGEST_OPS_LISTEN")?;
    tracing::info!(address = %listener.local_addr()?, partitions = config.partitions, "Accepting events");

    let serving = service::server::serve(listener, connections, router, shutdown.clone());
    tokio::select! {
        biased;
        ended = tasks.join_next() => match ended {
            Some(Ok(Err(err))) => return Err(err),
            Some(Err(err)) => return Err(err).context("a task of ingest"),
            Some(Ok(Ok(()))) | None => bail!("a task of ingest ended without a reason"),
        },
        _ = async { tokio::join!(serving, operators) } => {}
    }
    // Every accepted request has its answer, so nothing waits for the log any more.
    tasks.shutdown().await;
    tracing::info!("Stopped");
    Ok(())
}
