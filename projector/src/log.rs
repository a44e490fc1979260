//! The connection to the log.

use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::{ConnectOptions, jetstream};
use service::tls::check_authorities;

use crate::config::Config;

/// One question to the server.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Between tries to connect.
const RECONNECT_PAUSE: Duration = Duration::from_millis(250);

/// Two pings without an answer, and the connection is given up.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// Connects in the background, for as long as it takes.
pub(crate) async fn connect(config: &Config) -> anyhow::Result<jetstream::Context> {
    check_authorities("NATS_CA_FILE", config.nats_ca_file.as_ref())?;
    let mut options = ConnectOptions::new()
        .name("projector")
        // The server's permissions let the projector read only its own answers.
        .custom_inbox_prefix("_INBOX_projector")
        .retry_on_initial_connect()
        .reconnect_delay_callback(|tries| if tries == 0 { Duration::ZERO } else { RECONNECT_PAUSE })
        .connection_timeout(REQUEST_TIMEOUT)
        .request_timeout(Some(REQUEST_TIMEOUT))
        .ping_interval(PING_INTERVAL);
    if let (Some(user), Some(password)) = (&config.nats_user, &config.nats_password) {
        options = options.user_and_password(user.clone(), password.clone());
    }
    let servers = service::config::log_servers(&config.nats_url)?;
    let is_encrypted = config.nats_ca_file.is_some() || servers.iter().any(|server| server.starts_with("tls://"));
    // Of all servers: others may be heard of only from these.
    options = options.require_tls(is_encrypted);
    if let Some(file) = &config.nats_ca_file {
        options = options.add_root_certificates(file.clone());
    }
    let client = options.connect(servers).await.context("reading NATS_URL")?;
    Ok(ContextBuilder::new().timeout(REQUEST_TIMEOUT).build(client))
}
