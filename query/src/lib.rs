//! Answers reports from the read models of the active generation.
//!
//! The service only reads, knows nothing of the log, and needs nothing but Postgres. While Postgres is away it answers 503,
//! and goes on when Postgres is back.

/// Configuration from the environment.
mod config;

/// Metrics, by name.
mod metrics;

/// Query strings, read strictly.
mod params;

/// Connections to Postgres, and its readiness.
mod db;

/// Reports, read from the active generation.
mod reports;

/// Totals of today, pushed to clients.
mod live;

/// Answers of reports.
mod http;

/// Pages that show reports.
mod dashboard;

/// All routes of the service.
mod routes;

/// The canonical form of query strings, for checks from outside.
mod canonical;

pub use canonical::Target;
pub use config::{Config, KEYS_FILE};

use anyhow::Context;
use db::pool::ConnectionPool;
use db::{compatibility, readiness};
use live::Live;
use reports::SharedReports;
use service::access::{Access, Pages};
use service::listener;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Serves reports until `shutdown`, then answers what has arrived. Starts with or without Postgres.
///
/// # Errors
///
/// The configuration cannot work, whatever Postgres does.
pub async fn run(config: Config, listener: TcpListener, shutdown: CancellationToken) -> anyhow::Result<()> {
    config.check()?;
    let databases = config.databases()?;
    let access = Access::new(config.access())?;
    let (origins, hosts, served) = (config.query_origins.clone(), config.query_hosts.clone(), config.connections()?);
    let reports = SharedReports::new(ConnectionPool::lazy(config.report_options()?, &config), &config);
    let (readiness, checks) = readiness::new(config.report_options()?, config.session());
    let (live, refresher) = Live::new(&config, config.live_options()?, shutdown.clone());
    let address = listener.local_addr().context("asking for the address that is listened on")?;
    tracing::info!(http.address = %address, connections.max = config.query_connections_max, "Answering reports");
    let (health, operators) =
        routes::health(&reports, &live, readiness).split(config.query_ops_listen, &config.trusted_proxies);
    let operators = listener::serve_operators(config.query_ops_listen, operators, shutdown.clone());
    let operators = operators.await.context("QUERY_OPS_LISTEN")?;
    let router = access.answer_pages(routes::router(reports, live, health, &access), Pages::Read(origins));
    let router = hosts.guard(router, address.ip());
    let serving = listener::serve(listener, served, router, shutdown.clone());
    // On the heap: the future of the process is large enough without it.
    let checking = Box::pin(checks.run(shutdown.clone()));
    let serve = async { tokio::join!(serving, operators, refresher.run(shutdown), checking) };
    tokio::select! {
        _ = serve => {}
        unusable = Box::pin(compatibility::unusable(databases)) => return Err(unusable.into()),
    }
    tracing::info!("Stopped");
    Ok(())
}
