//! Protocols of a connection: HTTP/1.1, and HTTP/2 if TLS negotiates it.

use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::answer::Answers;
use super::metrics::Closed;
use super::socket::Socket;
use super::tls::{self, Tls};
use super::watch::Watch;

/// Maximum time of a TLS handshake, which takes two round trips.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum bytes of a request's headers in HTTP/1.1.
const HEADER_BYTES_MAX: usize = 16 * 1024;

/// Maximum bytes of a request's headers in HTTP/2, which counts 32 bytes more for each field.
const HEADER_LIST_BYTES_MAX: u32 = 8 * 1024;

/// Maximum concurrent requests of an HTTP/2 connection. Clients send so many before they know the maximum; with a smaller one
/// the requests beyond it would be reset, and more than [`RESETS_MAX`] of these end the connection.
const STREAMS_MAX: u32 = 100;

/// Maximum requests that a client may reset before they are handled (rapid reset), or that break a rule.
const RESETS_MAX: usize = 20;

/// Maximum bytes that a client may send of one body, and of all bodies of a connection, before they are read.
const STREAM_WINDOW_BYTES: u32 = 64 << 10;
const CONNECTION_WINDOW_BYTES: u32 = 256 << 10;

/// Maximum bytes of one answer that may wait to be sent.
const SEND_BUFFER_BYTES_MAX: usize = 16 << 10;

/// Silence after which an HTTP/2 client is pinged, and the maximum time until it answers.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection that was accepted.
pub(super) struct Accepted {
    pub(super) answers: Answers,
    pub(super) watch: Watch,
}

impl Accepted {
    /// Serves HTTP/1.1.
    pub(super) async fn serve_http1<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let connection = http1::Builder::new()
            // The watch bounds the times of headers and between requests together.
            .header_read_timeout(None)
            // A client may close its sending side and still wait for its answer.
            .half_close(true)
            .max_buf_size(HEADER_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), self.answers);
        // A client that breaks off or violates the protocol is no error of the service.
        if let Err(err) = self.watch.over(connection).await {
            tracing::trace!(error = %err, "Connection ended early");
        }
    }

    /// Serves HTTP/2.
    pub(super) async fn serve_http2<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.watch.slot.state().multiplex();
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

    /// Serves HTTP over TLS. A client whose handshake is not complete at shutdown has sent no request.
    pub(super) async fn serve_tls(self, socket: Socket, tls: Tls) {
        let (state, shutdown) = (self.watch.slot.state().clone(), self.watch.shutdown.clone());
        let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(socket));
        let outcome = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            () = state.closing() => return Closed::NoRoom.count(),
            outcome = handshake => outcome,
        };
        match outcome {
            Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(tls::HTTP_2) => self.serve_http2(stream).await,
            Ok(Ok(stream)) => self.serve_http1(stream).await,
            Ok(Err(err)) => tracing::trace!(error = %err, "TLS handshake failed"),
            Err(_) => tracing::trace!("TLS handshake timed out"),
        }
    }
}
