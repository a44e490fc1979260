//! Opens the connection to the log.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream::context::ContextBuilder;
use tokio::sync::{Notify, watch};

use super::Log;
use super::account_limit::AccountLimit;
use super::clocks::Clocks;
use super::connection_events::{ConnectionEvents, Refusals};
use super::status::{Problem, Status};
use super::streams::Declaration;
use super::watch::Watchdog;
use crate::config::Config;

/// Timeout of one attempt to connect or to publish.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);

/// Timeout of one question about a stream. A stream without a leader gives no answer, and its next leader sees only
/// questions that are asked after its election.
const STREAM_INFO_TIMEOUT: Duration = Duration::from_secs(1);

/// Pause between attempts to connect: long enough not to load the server, short enough that waiting clients do not notice
/// its restart.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);

/// Interval of pings to a single server. The connection is given up after two pings without an answer.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// Interval of pings where there are several servers: a hanging server is given up before the others have elected a
/// leader in its place.
const PING_INTERVAL_CLUSTER: Duration = Duration::from_secs(2);

/// Commands that may wait for the connection: one envelope a partition, and a few questions.
const COMMANDS_MAX: usize = 2_048;

/// Connects in the background, for as long as it takes. Events are accepted only while the watchdog runs.
pub(crate) async fn connect(config: &Config) -> anyhow::Result<(Log, Watchdog)> {
    let (connection_sender, connection) = watch::channel(0);
    let refusals = Arc::new(Refusals::default());
    let account_limit = Arc::new(AccountLimit::default());
    let events = ConnectionEvents {
        epoch: connection_sender,
        last_report: Mutex::default(),
        refusals: refusals.clone(),
        account_limit: account_limit.clone(),
    };
    let client = open(config, events).await?;
    let jetstream = ContextBuilder::new().timeout(REQUEST_TIMEOUT).build(client);
    let (status_sender, status) = watch::channel(Status::Unknown(Problem::not_connected()));
    let (doubts, clocks) = (Arc::new(Notify::new()), Arc::new(Clocks::default()));
    let watchdog = Watchdog {
        jetstream: ContextBuilder::new().timeout(STREAM_INFO_TIMEOUT).build(jetstream.client()),
        monitor_urls: config.nats_monitor_urls.clone(),
        partitions: config.partitions,
        declaration: Declaration { replicas: config.stream_replicas },
        connection,
        doubts: doubts.clone(),
        clocks: clocks.clone(),
        account_limit: account_limit.clone(),
        status: status_sender,
    };
    Ok((Log { jetstream, partitions: config.partitions, status, doubts, clocks, refusals, account_limit }, watchdog))
}

async fn open(config: &Config, events: ConnectionEvents) -> anyhow::Result<async_nats::Client> {
    let access = config.log_access();
    let servers = access.servers()?;
    let options = access
        .options()?
        .retry_on_initial_connect()
        .reconnect_delay_callback(|attempts| if attempts == 0 { Duration::ZERO } else { RECONNECT_PAUSE })
        .connection_timeout(REQUEST_TIMEOUT)
        .request_timeout(Some(REQUEST_TIMEOUT))
        .ping_interval(if servers.len() > 1 { PING_INTERVAL_CLUSTER } else { PING_INTERVAL })
        .client_capacity(COMMANDS_MAX)
        .event_callback(move |event| {
            events.record(&event);
            std::future::ready(())
        });
    options.connect(servers).await.context("reading NATS_URL")
}
