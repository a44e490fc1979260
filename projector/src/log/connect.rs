//! Connections to the log: one that everything shares which asks it something, and one for each consumer. A delivery may
//! be such that the client library breaks the connection that it comes on. Nobody else hears of it then.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::{ConnectError, ConnectOptions, Event, jetstream};
use service::tls::check_authorities;
use tokio_util::sync::CancellationToken;

use crate::config::Config;

/// One question to the server.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Between tries to connect.
const RECONNECT_PAUSE: Duration = Duration::from_millis(250);

/// Two pings without an answer, and the connection is given up.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// The log, over the connection that is shared.
#[derive(Clone)]
pub(crate) struct Log {
    shared: jetstream::Context,
    servers: Vec<String>,
    options: ConnectOptions,
}

/// A connection for deliveries.
pub(crate) struct Connection {
    pub(crate) log: jetstream::Context,
    /// Cancelled once it has broken. What came before can be read all the same.
    pub(crate) broken: CancellationToken,
}

impl fmt::Debug for Log {
    /// Without what it logs in with.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").finish_non_exhaustive()
    }
}

impl Deref for Log {
    type Target = jetstream::Context;

    fn deref(&self) -> &jetstream::Context {
        &self.shared
    }
}

impl Log {
    /// A connection of one's own.
    ///
    /// # Errors
    ///
    /// The log is away.
    pub(crate) async fn connection(&self) -> Result<Connection, ConnectError> {
        let broken = CancellationToken::new();
        let told = broken.clone();
        let options = self.options.clone().event_callback(move |event| {
            if matches!(event, Event::Disconnected | Event::Closed) {
                told.cancel();
            }
            std::future::ready(())
        });
        let client = options.connect(&self.servers).await?;
        Ok(Connection { log: ContextBuilder::new().timeout(REQUEST_TIMEOUT).build(client), broken })
    }
}

/// Connects in the background, for as long as it takes.
pub(crate) async fn connect(config: &Config) -> anyhow::Result<Log> {
    check_authorities("NATS_CA_FILE", config.nats_ca_file.as_ref())?;
    let mut options = ConnectOptions::new()
        .name("projector")
        // The server's permissions let the projector read only its own answers.
        .custom_inbox_prefix("_INBOX_projector")
        .reconnect_delay_callback(|tries| if tries == 0 { Duration::ZERO } else { RECONNECT_PAUSE })
        .connection_timeout(REQUEST_TIMEOUT)
        .request_timeout(Some(REQUEST_TIMEOUT))
        .ping_interval(PING_INTERVAL);
    if let (Some(user), Some(password)) = (&config.nats_user, &config.nats_password) {
        options = options.user_and_password(user.clone(), password.clone());
    }
    let servers = service::config::log_servers(&config.nats_url)?;
    let servers: Vec<String> = servers.into_iter().map(str::to_owned).collect();
    let is_encrypted = config.nats_ca_file.is_some() || servers.iter().any(|server| server.starts_with("tls://"));
    // Of all servers: others may be heard of only from these.
    options = options.require_tls(is_encrypted);
    if let Some(file) = &config.nats_ca_file {
        options = options.add_root_certificates(file.clone());
    }
    let shared = options.clone().retry_on_initial_connect();
    let client = shared.connect(&servers).await.context("reading NATS_URL")?;
    Ok(Log { shared: ContextBuilder::new().timeout(REQUEST_TIMEOUT).build(client), servers, options })
}
