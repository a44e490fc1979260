//! HTTP connections with bounds: how many there are, how many an address has, how long a client may take for its headers, how
//! long it may be idle, how long it may take nothing of an answer, how long the last answers may take when the process
//! stops. HTTP/1.1, and HTTP/2 where TLS agrees on it.

/// What a connection is doing.
mod state;

/// Who is connected.
mod places;

/// Its socket.
mod socket;

/// Requests and answers of one.
mod answer;

/// From its first byte to its end.
mod watch;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::{Proxies, network};
use crate::config::Variable;
use crate::tls::{self, Tls};
use answer::Answers;
use places::Places;
use socket::Socket;
use state::State;
use watch::Watch;

pub use state::HEADERS_TIMEOUT;

/// Variables of processes that clients connect to.
pub const VARIABLES: [Variable; 3] = [
    Variable { name: "HTTP_CONNECTIONS_MAX", meaning: "Connections of clients at once [16384]" },
    Variable {
        name: "HTTP_CONNECTIONS_PER_ADDRESS_MAX",
        meaning: "Of these, of one address that is no trusted proxy [three quarters]",
    },
    Variable {
        name: "HTTP_IDLE_TIMEOUT_S",
        meaning: "Until a connection without a request is closed; longer than a proxy's before it [650]",
    },
];

/// Connections that are served at once by default. One with a request costs [`CONNECTION_BYTES`].
pub const CONNECTIONS_MAX: u32 = 16_384;

/// Of a connection in this process: 16 KiB that are being read, 16 KiB that were, and 16 KiB for its task and its answer.
pub const CONNECTION_BYTES: u64 = 48 << 10;

/// Of a connection in the kernel, on average: what has arrived and is not read yet, what is sent and not acknowledged.
pub const SOCKET_BYTES: u64 = 16 << 10;

/// An idle connection ends after this time by default. Load balancers keep theirs for 60 s (ALB, nginx), 350 s (NLB) or
/// 600 s (GCP), and one that is closed on this side first loses a request now and then.
pub const IDLE_TIMEOUT_S: u32 = 650;

/// Connections to the address for operators: a load balancer, an orchestrator and a Prometheus have a few each.
const OPERATORS_MAX: NonZeroU32 = NonZeroU32::new(256).expect("it is not 0");

/// From a connection's opening until both ends have agreed on how to encrypt it: two round trips.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// What a client is sent may wait for so long to be acknowledged, or to fit into what the client has room for. Then the
/// client has left without a word, or does not read, and the kernel closes its connection.
const SEND_TIMEOUT_MS: u32 = 30_000;

/// Bytes of a request's headers.
const HEADER_BYTES_MAX: usize = 16 * 1024;

/// The same in HTTP/2, as its fields are counted: with 32 bytes more for each.
const HEADER_LIST_BYTES_MAX: u32 = 32 * 1024;

/// Requests of a connection of HTTP/2 that are answered at the same time.
const STREAMS_MAX: u32 = 100;

/// Requests that a client may take back before they are looked at (rapid reset), and such that break a rule.
const RESETS_MAX: usize = 20;

/// What a client may send of one body before it is read, and of all that its connection has.
const STREAM_WINDOW_BYTES: u32 = 64 << 10;
const CONNECTION_WINDOW_BYTES: u32 = 256 << 10;

/// What may wait to be sent of one answer.
const SEND_BUFFER_BYTES_MAX: usize = 64 << 10;

/// Whether a client of HTTP/2 is still there is asked after so much silence, and has to be answered in this time.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// What was accepted is answered within this time after the process was asked to stop.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// After an error of accept, such as too many open files, until the next try.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Connections that were accepted.
const CONNECTIONS: &str = "http_connections_total";

/// Those of them that were ended from here while clients were silent, by reason.
const CLOSED: &str = "http_connections_closed_total";

/// Who is at the other end of a request's connection: the client, or a proxy before it. An extension of each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// Marks an answer without an end, as Server-Sent Events are: a client that closes its sending side has left. An extension
/// of the response.
#[derive(Debug, Clone, Copy)]
pub struct EndsWithClient;

/// How connections are served.
#[derive(Clone)]
pub struct Connections {
    /// What they are encrypted with. Default: nothing, and HTTP is plain.
    pub tls: Option<Tls>,
    /// Whose connections are not counted by address.
    pub proxies: Proxies,
    /// How many there may be.
    pub connections_max: NonZeroU32,
    /// How many of one address; `None` is three quarters of all, so that one client leaves a quarter to others.
    pub per_address_max: Option<NonZeroU32>,
    /// Until one without a request is closed.
    pub idle_timeout: Duration,
    /// How long a client is answered that has closed its sending side: it may have left. `None` is to the end, where what is
    /// asked is done even for a client that has left.
    pub half_closed_timeout: Option<Duration>,
}

/// Why a connection is ended from here.
#[derive(Debug, Clone, Copy)]
enum Closed {
    /// It had no request for too long.
    Idle,
    /// A request's headers took too long.
    SlowHeaders,
    /// It waited, and another one needed its place.
    NoRoom,
    /// There was no place for it.
    Refused,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            tls: None,
            proxies: Proxies::default(),
            connections_max: default_connections_max(),
            per_address_max: None,
            idle_timeout: Duration::from_secs(IDLE_TIMEOUT_S.into()),
            half_closed_timeout: None,
        }
    }
}

/// For `serde(default)` of `HTTP_CONNECTIONS_MAX`.
pub fn default_connections_max() -> NonZeroU32 {
    const { NonZeroU32::new(CONNECTIONS_MAX).expect("it is not 0") }
}

/// For `serde(default)` of `HTTP_IDLE_TIMEOUT_S`.
pub fn default_idle_timeout_s() -> NonZeroU32 {
    const { NonZeroU32::new(IDLE_TIMEOUT_S).expect("it is not 0") }
}

impl Connections {
    fn places(&self) -> Places {
        let all = usize::try_from(self.connections_max.get()).unwrap_or(usize::MAX);
        let of_one = self.per_address_max.and_then(|of_one| usize::try_from(of_one.get()).ok());
        Places::new(all, of_one.unwrap_or_else(|| (all / 4 * 3).max(1)))
    }
}

impl Closed {
    const ALL: [Self; 4] = [Self::Idle, Self::SlowHeaders, Self::NoRoom, Self::Refused];

    fn count(self) {
        metrics::counter!(CLOSED, "reason" => self.reason()).increment(1);
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::SlowHeaders => "slow_headers",
            Self::NoRoom => "no_room",
            Self::Refused => "refused",
        }
    }
}

/// Describes what is measured here; the recorder must be installed.
pub(crate) fn describe_metrics() {
    metrics::describe_counter!(CONNECTIONS, metrics::Unit::Count, "Connections that were accepted");
    metrics::describe_counter!(CLOSED, metrics::Unit::Count, "Connections that were ended from here, by reason");
    metrics::counter!(CONNECTIONS).increment(0);
    for reason in Closed::ALL {
        metrics::counter!(CLOSED, "reason" => reason.reason()).increment(0);
    }
}

/// One connection that was accepted.
struct Accepted {
    answers: Answers,
    watch: Watch,
}

impl Accepted {
    async fn speak<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let connection = http1::Builder::new()
            // The times for headers and between requests are watched together.
            .header_read_timeout(None)
            // A client may say that it sends no more, and still wait for its answer.
            .half_close(true)
            .max_buf_size(HEADER_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), self.answers);
        // A client that breaks off or talks nonsense is its own business.
        if let Err(err) = self.watch.over(connection).await {
            tracing::trace!(error = %err, "Connection ended early");
        }
    }

    /// The same in HTTP/2.
    async fn multiplex<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.watch.place.state().multiplex();
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .max_pending_accept_reset_streams(RESETS_MAX)
            .max_local_error_reset_streams(RESETS_MAX)
            .max_header_list_size(HEADER_LIST_BYTES_MAX)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_send_buf_size(SEND_BUFFER_BYTES_MAX)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .serve_connection(TokioIo::new(stream), self.answers);
        if let Err(err) = self.watch.over(connection).await {
            tracing::trace!(error = %err, "Connection ended early");
        }
    }

    /// The same behind TLS. Who has not agreed on it yet when the process stops has sent no request.
    async fn agree_and_speak(self, socket: Socket, tls: Tls) {
        let (state, shutdown) = (self.watch.place.state().clone(), self.watch.shutdown.clone());
        let agreeing = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(socket));
        let agreed = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            () = state.closing() => return Closed::NoRoom.count(),
            agreed = agreeing => agreed,
        };
        match agreed {
            Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(tls::HTTP_2) => self.multiplex(stream).await,
            Ok(Ok(stream)) => self.speak(stream).await,
            Ok(Err(err)) => tracing::trace!(error = %err, "No agreement on TLS"),
            Err(_) => tracing::trace!("No agreement on TLS in time"),
        }
    }
}

/// Serves what is for operators at an address of their own, if there is one: clients cannot take its places.
///
/// # Errors
///
/// The address cannot be listened on.
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

/// Serves until `shutdown`, then answers what has arrived and closes.
pub async fn serve(listener: TcpListener, served: Connections, router: Router, shutdown: CancellationToken) {
    let (places, tasks) = (Arc::new(served.places()), TaskTracker::new());
    let router = TowerToHyperService::new(router);
    loop {
        let (stream, peer) = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = accept(&listener) => accepted,
        };
        metrics::counter!(CONNECTIONS).increment(1);
        let address = peer.ip().to_canonical();
        let Ok(place) = places.take(State::new(network(address), served.proxies.trusts(address))) else {
            Closed::Refused.count();
            continue;
        };
        let socket = Socket::new(stream, place.state().clone());
        let answers = Answers { router: router.clone(), peer: Peer(peer), state: place.state().clone() };
        let watch = Watch {
            place,
            ending: socket.ending(),
            idle_timeout: served.idle_timeout,
            half_closed_timeout: served.half_closed_timeout,
            shutdown: shutdown.clone(),
        };
        let accepted = Accepted { answers, watch };
        match served.tls.clone() {
            None => tasks.spawn(accepted.speak(socket)),
            // Beside the future, so that those without TLS do not pay for its size.
            Some(tls) => tasks.spawn(Box::pin(accepted.agree_and_speak(socket, tls))),
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

/// Without it a connection that nobody reads stays for hours, or for ever.
fn limit_sending(stream: &TcpStream) {
    #[cfg(target_os = "linux")]
    let _ = rustix::net::sockopt::set_tcp_user_timeout(stream, SEND_TIMEOUT_MS);
    // Others have no such option.
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, SEND_TIMEOUT_MS);
}
