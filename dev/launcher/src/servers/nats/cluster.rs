//! A cluster of three servers with `nats/cluster.conf`.

use std::path::Path;

use anyhow::{Context, Result};

use super::{Nats, NatsOptions};
use crate::ports;
use crate::workspace::Workspace;

/// Password between the servers, which are only reachable on the loopback interface.
const CLUSTER_PASSWORD: &str = "the-password-of-a-cluster";

/// Starts three servers with empty stores in `dir`. Their users have the passwords of the server `like`.
///
/// # Errors
///
/// As [`Nats::start`].
pub async fn start_cluster(dir: &Path, like: &Nats) -> Result<[Nats; 3]> {
    let conf = Workspace::find()?.root().join("nats/cluster.conf");
    let ports: [u16; 3] = std::array::from_fn(|_| ports::free());
    let routes = ports.map(|port| format!("nats://cluster:{CLUSTER_PASSWORD}@127.0.0.1:{port}")).join(", ");
    let server = |index: usize| {
        Nats::start_with(NatsOptions {
            conf: Some(conf.clone()),
            passwords: Some(like.start.options.passwords_path()),
            environment: vec![
                ("NATS_SERVER_NAME", format!("tidemark-{}", index + 1)),
                ("NATS_CLUSTER_LISTEN", format!("127.0.0.1:{}", ports[index])),
                ("NATS_CLUSTER_PASSWORD", CLUSTER_PASSWORD.to_owned()),
                ("NATS_CLUSTER_ROUTES", format!("[{routes}]")),
            ],
            ..NatsOptions::new(dir.join((index + 1).to_string()))
        })
    };
    // At the same time: none is ready before two are running.
    let servers = tokio::try_join!(server(0), server(1), server(2)).context("starting three nats-servers")?;
    Ok(servers.into())
}
