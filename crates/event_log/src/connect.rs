//! Connections to the log: one that everything shares which asks it something, and one for each consumer. A delivery may
//! be such that the client library breaks the connection that it comes on. Other users of the log do not notice.

use std::fmt;
use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::{ConnectError, ConnectOptions, Event, jetstream};
use service::Address;
use service::listener::tls::check_authorities;
use tokio_util::sync::CancellationToken;

/// Timeout of one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Pause between attempts to connect.
const RECONNECT_PAUSE: Duration = Duration::from_millis(250);

/// Two pings without an answer, and the connection is given up.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// Addresses and user with which a service reaches the log.
#[derive(Clone, Copy)]
pub struct Access<'a> {
    /// Name of the service. The server's permissions let it read only answers to `_INBOX_` and this name.
    pub service: &'static str,
    /// Addresses of the servers, separated by commas, without credentials.
    pub urls: &'a Address,
    /// User of the server, if it asks for one.
    pub user: Option<&'a str>,
    /// Password of the user.
    pub password: Option<&'a str>,
    /// PEM file with the authorities that certify the servers. Setting it makes TLS mandatory.
    pub ca_file: Option<&'a PathBuf>,
}

impl Access<'_> {
    /// Addresses of the servers.
    ///
    /// # Errors
    ///
    /// An address contains credentials, which the client library would silently ignore.
    pub fn servers(&self) -> anyhow::Result<Vec<&str>> {
        let urls = self.urls.with_credentials();
        anyhow::ensure!(
            !urls.contains('@'),
            "NATS_URL must have no user and no password in it: put them into NATS_USER and NATS_PASSWORD"
        );
        Ok(urls.split(',').map(str::trim).collect())
    }

    /// Options of a connection: name, inbox, credentials and TLS.
    pub fn options(&self) -> anyhow::Result<ConnectOptions> {
        let mut options =
            ConnectOptions::new().name(self.service).custom_inbox_prefix(format!("_INBOX_{}", self.service));
        if let (Some(user), Some(password)) = (self.user, self.password) {
            options = options.user_and_password(user.to_owned(), password.to_owned());
        }
        let is_encrypted = self.ca_file.is_some() || self.servers()?.iter().any(|url| url.starts_with("tls://"));
        // For all servers: the client learns of further ones from those that are configured.
        options = options.require_tls(is_encrypted);
        if let Some(file) = self.ca_file {
            options = options.add_root_certificates(file.clone());
        }
        Ok(options)
    }
}

/// The log, over the connection that is shared.
#[derive(Clone)]
pub struct Log {
    shared: jetstream::Context,
    servers: Vec<String>,
    options: ConnectOptions,
}

/// A connection for deliveries.
pub struct Connection {
    pub log: jetstream::Context,
    /// Cancelled once it has broken. What came before can be read all the same.
    pub broken: CancellationToken,
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
    /// Opens a separate connection for deliveries.
    pub async fn connection(&self) -> Result<Connection, ConnectError> {
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

/// Connects in the background, and retries until it succeeds.
pub async fn connect(access: &Access<'_>) -> anyhow::Result<Log> {
    check_authorities("NATS_CA_FILE", access.ca_file)?;
    let options = access
        .options()?
        .reconnect_delay_callback(|tries| if tries == 0 { Duration::ZERO } else { RECONNECT_PAUSE })
        .connection_timeout(REQUEST_TIMEOUT)
        .request_timeout(Some(REQUEST_TIMEOUT))
        .ping_interval(PING_INTERVAL);
    let servers: Vec<String> = access.servers()?.into_iter().map(str::to_owned).collect();
    let shared = options.clone().retry_on_initial_connect();
    let client = shared.connect(&servers).await.context("reading NATS_URL")?;
    Ok(Log { shared: ContextBuilder::new().timeout(REQUEST_TIMEOUT).build(client), servers, options })
}
