//! HTTP/1.1 connections with bounds: how many there are, how long a client may take for its headers, how long it
//! may take nothing of an answer, how long the last answers may take when the process stops.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::{TowerToHyperService, TowerToHyperServiceFuture};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::tls::Tls;

/// Connections that are served at once; further ones wait in the kernel's queue. An idle one costs about 10 KiB.
pub const CONNECTIONS_MAX: usize = 16_384;

/// From a connection's opening, or its last answer, to the end of the next request's headers. Also ends idle ones.
pub const HEADER_READ_TIMEOUT: Duration = Duration::from_mins(1);

/// From a connection's opening until both ends have agreed on how to encrypt it: two round trips.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// What a client is sent may wait for so long to be acknowledged, or to fit into what the client has room for. Then the
/// client has left without a word, or does not read, and the kernel closes its connection.
const SEND_TIMEOUT_MS: u32 = 30_000;

/// Bytes of a request's headers.
const HEADER_BYTES_MAX: usize = 16 * 1024;

/// What was accepted is answered within this time after the process was asked to stop.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// After an error of accept, such as too many open files, until the next try.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Who is at the other end of a request's connection: the client, or a proxy before it. An extension of each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// The router for one connection: its requests say where they come from.
struct Connection {
    router: TowerToHyperService<Router>,
    peer: Peer,
}

impl hyper::service::Service<hyper::Request<Incoming>> for Connection {
    type Response = axum::response::Response;
    type Error = std::convert::Infallible;
    type Future = TowerToHyperServiceFuture<Router, hyper::Request<Incoming>>;

    fn call(&self, mut request: hyper::Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.peer);
        hyper::service::Service::call(&self.router, request)
    }
}

impl Connection {
    async fn speak<S>(self, stream: S, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_READ_TIMEOUT)
            .max_buf_size(HEADER_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), self);
        // A client that breaks off or talks nonsense is its own business.
        if let Err(err) = watcher.watch(connection).await {
            tracing::trace!(error = %err, "Connection ended early");
        }
    }

    /// The same behind TLS. Who has not agreed on it yet when the process stops has sent no request.
    async fn agree_and_speak(self, stream: TcpStream, tls: Tls, (watcher, shutdown): (Watcher, CancellationToken)) {
        let agreeing = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream));
        match shutdown.run_until_cancelled(agreeing).await {
            Some(Ok(Ok(stream))) => self.speak(stream, watcher).await,
            Some(Ok(Err(err))) => tracing::trace!(error = %err, "No agreement on TLS"),
            Some(Err(_)) | None => tracing::trace!("No agreement on TLS in time"),
        }
    }
}

/// Serves until `shutdown`, then answers what has arrived and closes. Without `tls` it is plain HTTP.
pub async fn serve(listener: TcpListener, tls: Option<Tls>, router: Router, shutdown: CancellationToken) {
    let connections = GracefulShutdown::new();
    let places = std::sync::Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let (stream, peer, place) = accepted;
        let served = Connection { router: TowerToHyperService::new(router.clone()), peer: Peer(peer) };
        let (watcher, tls, shutdown) = (connections.watcher(), tls.clone(), shutdown.clone());
        tokio::spawn(async move {
            match tls {
                None => served.speak(stream, watcher).await,
                // Beside the future, so that those without TLS do not pay for its size.
                Some(tls) => Box::pin(served.agree_and_speak(stream, tls, (watcher, shutdown))).await,
            }
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(SHUTDOWN_GRACE, connections.shutdown()).await.is_err() {
        tracing::warn!(grace_s = SHUTDOWN_GRACE.as_secs(), "Closing connections that are still busy");
    }
}

async fn accept(
    listener: &TcpListener,
    places: &std::sync::Arc<Semaphore>,
) -> (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit) {
    let place = places.clone().acquire_owned().await.expect("nobody closes the semaphore");
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Answers are small: waiting to fill a packet would only delay them.
                let _ = stream.set_nodelay(true);
                limit_sending(&stream);
                return (stream, peer, place);
            }
            Err(err) => {
                tracing::warn!(error = %err, "Cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Without it a connection that nobody reads stays for hours, or for ever.
fn limit_sending(stream: &TcpStream) {
    #[cfg(target_os = "linux")]
    let _ = rustix::net::sockopt::set_tcp_user_timeout(stream, SEND_TIMEOUT_MS);
    // Others have no such option.
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, SEND_TIMEOUT_MS);
}
