//! Answers reports from the read models of the active generation.
//!
//! Reads only: it writes nothing, knows nothing of the log, and needs nothing but Postgres. While Postgres is away it
//! says so, and goes on when Postgres is back.

/// What the environment sets.
mod config;

/// All routes of the service.
mod routes;

/// Answers of reports.
mod http;

/// What is told to those who get no report.
mod refusals;

/// Query strings, read strictly.
mod params;

/// A report, read in one snapshot.
mod stats;

/// Why a report cannot be read.
mod report_error;

/// What all reports have in common.
mod read;

/// Where reports are read, in places and with connections that clients share.
mod reports;

/// What a query string asks for, in one form.
mod canonical;

/// Reports that are lists, as JSON or as a table.
mod listing;

/// Views and users, day by day, week by week, or month by month.
mod timeseries;

/// All paths, page by page.
mod paths;

/// The types of a site's events.
mod event_types;

/// The sites that there are.
mod sites;

/// Views and users of rows that belong together.
mod tally;

/// The users of several days, each counted once.
mod users;

/// Which part of the log the read models contain.
mod as_of;

/// Which state of the read models a report was read from.
mod version;

/// What a client has already is not sent again.
mod caching;

/// Which receipts no event can have.
mod log_ends;

/// Waiting for an event to arrive in the read models.
mod arrivals;

/// Totals of today, pushed to whoever watches a site.
mod live;

/// Connections to Postgres.
mod connections;

/// A connection on loan.
mod lease;

/// Reports that Postgres ends in favour of somebody else.
mod conflicts;

/// Whether the databases can be used at all.
mod fitness;

/// Whether reports can be answered, or what is missing.
mod readiness;

/// Pages that show reports to people.
mod dashboard;

/// The interface's description.
mod openapi;

/// Metrics, by name.
mod metrics;

pub use canonical::Target;
pub use config::{Config, KEYS_FILE, VARIABLES};

use anyhow::Context;
use connections::Connections;
use live::Live;
use reports::SharedReports;
use service::access::{Access, Pages};
use service::server;
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
    let reports = SharedReports::new(Connections::lazy(config.report_options()?, &config), &config);
    let (readiness, looks) = readiness::of(config.report_options()?, config.session());
    let (live, feed) = Live::new(&config, config.live_options()?, shutdown.clone());
    let address = listener.local_addr().context("asking for the address that is listened on")?;
    tracing::info!(http.address = %address, connections.max = config.query_connections_max, "Answering reports");
    let (health, operators) = routes::health(&reports, &live, readiness).split(config.query_ops_listen.is_some());
    let operators = server::serve_operators(config.query_ops_listen, operators, shutdown.clone());
    let operators = operators.await.context("QUERY_OPS_LISTEN")?;
    let router = access.answer_pages(routes::router(reports, live, (health, &access)), Pages::Read(origins));
    let router = hosts.guard(router, address.ip());
    let serving = server::serve(listener, served, router, shutdown.clone());
    // Beside the future of the process, which is large enough.
    let looking = Box::pin(looks.run(shutdown.clone()));
    let serve = async { tokio::join!(serving, operators, feed.run(shutdown), looking) };
    tokio::select! {
        _ = serve => {}
        unusable = Box::pin(fitness::unusable(databases)) => return Err(unusable.into()),
    }
    tracing::info!("Stopped");
    Ok(())
}
