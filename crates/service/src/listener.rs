//! HTTP server with bounds: connections in all and of one address, the time of headers, of idle connections, and of
//! answers that a client does not read, and the time of the last answers at shutdown.

mod answer;
mod metrics;
mod pace;
mod protocol;
mod settings;
mod slots;
mod socket;
mod state;
mod streams;
#[cfg(test)]
mod tests;
pub mod tls;
mod watch;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::http::client_ip::{Peer, network};
use answer::Answers;
use metrics::Closed;
use pace::SEND_TIMEOUT_MS;
use protocol::Accepted;
use slots::Slots;
use socket::Socket;
use state::State;
use streams::Streams;
use watch::Watch;

pub use answer::EndsWithClient;
pub use settings::{
    CONNECTION_BYTES, CONNECTIONS_MAX, Connections, IDLE_TIMEOUT_S, SOCKET_BYTES, default_connections_max,
    default_idle_timeout_s, memory_bytes_max, tls_memory_bytes_max,
};
pub use state::HEADERS_TIMEOUT;

/// Maximum connections to the address for operators: a load balancer, an orchestrator and a Prometheus have a few each.
const OPERATORS_MAX: NonZeroU32 = NonZeroU32::new(256).expect("it is not 0");

/// Maximum time at shutdown in which accepted requests are answered.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// Pause after an error of accept, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves the routes for operators at an address of their own, if there is one, where clients cannot take the slots.
///
/// # Errors
///
/// The address cannot be bound.
pub async fn serve_operators(
    address: Option<SocketAddr>,
    router: Router,
    shutdown: CancellationToken,
) -> anyhow::Result<impl Future<Output = ()>> {
    let listening = async |address| TcpListener::bind(address).await.with_context(|| format!("listening on {address}"));
    let listener = match address {
        Some(address) => Some(listening(address).await?),
        None => None,
    };
    let connections = Connections { connections_max: OPERATORS_MAX, ..Connections::default() };
    Ok(async move {
        if let Some(listener) = listener {
            serve(listener, connections, router, shutdown).await;
        }
    })
}

/// Serves until `shutdown`, then answers the requests that have arrived and closes. The recorder of metrics must be
/// installed before.
pub async fn serve(listener: TcpListener, settings: Connections, router: Router, shutdown: CancellationToken) {
    metrics::describe();
    let (slots, tasks) = (Arc::new(Slots::new(&settings)), TaskTracker::new());
    let (router, streams) = (TowerToHyperService::new(router), Streams::new(settings.proxies.clone()));
    loop {
        let (stream, peer) = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = accept(&listener) => accepted,
        };
        metrics::accepted();
        let address = peer.ip().to_canonical();
        let Ok(slot) = slots.take(State::new(network(address), settings.proxies.trusts(address))) else {
            Closed::Refused.count();
            continue;
        };
        let socket = Socket::new(stream, slot.state().clone());
        let answers =
            Answers { router: router.clone(), peer: Peer(peer), state: slot.state().clone(), streams: streams.clone() };
        let watch = Watch {
            slot,
            ending: socket.ending(),
            idle_timeout: settings.idle_timeout,
            half_closed_timeout: settings.half_closed_timeout,
            shutdown: shutdown.clone(),
        };
        let accepted = Accepted { answers, watch };
        match settings.tls.clone() {
            None => tasks.spawn(accepted.serve_http1(socket)),
            // On the heap, so that tasks without TLS are smaller.
            Some(tls) => tasks.spawn(Box::pin(accepted.serve_tls(socket, tls))),
        };
    }
    drop(listener);
    tasks.close();
    if tokio::time::timeout(SHUTDOWN_GRACE, tasks.wait()).await.is_err() {
        tracing::warn!(grace_s = SHUTDOWN_GRACE.as_secs(), "Closing connections that are still busy");
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Answers are small: waiting to fill a packet would only delay them.
                let _ = stream.set_nodelay(true);
                limit_sending(&stream);
                return (stream, peer);
            }
            Err(err) => {
                tracing::warn!(error = %err, "Cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Sets the time for which sent bytes may wait for an acknowledgement, or for room at the client. Without it a connection whose
/// client has gone without a word stays open for hours.
fn limit_sending(stream: &TcpStream) {
    #[cfg(target_os = "linux")]
    let _ = rustix::net::sockopt::set_tcp_user_timeout(stream, SEND_TIMEOUT_MS);
    // Other systems have no such option.
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, SEND_TIMEOUT_MS);
}
