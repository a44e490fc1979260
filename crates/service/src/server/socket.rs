//! A connection's socket, shared by HTTP, which reads and writes it, and by what watches over it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use tokio::net::TcpStream;

use super::state::State;

/// What HTTP, or TLS below it, reads and writes.
pub(crate) struct Socket {
    stream: Arc<TcpStream>,
    state: Arc<State>,
}

/// Sees when the other end stops sending, which HTTP does not look for while it answers.
#[derive(Clone)]
pub(super) struct Ending(Arc<TcpStream>);

impl Socket {
    pub(super) fn new(stream: TcpStream, state: Arc<State>) -> Self {
        Self { stream: Arc::new(stream), state }
    }

    pub(super) fn ending(&self) -> Ending {
        Ending(self.stream.clone())
    }
}

impl Ending {
    /// Whether the other end has stopped sending; returns as soon as that is so, or something else has come.
    pub(super) async fn is_there(&self) -> bool {
        match self.0.peek(&mut [0]).await {
            Ok(0) | Err(_) => true,
            // The end may stand behind it: that of TLS has a message of its own.
            Ok(_) => self.0.ready(Interest::READABLE).await.is_ok_and(Ready::is_read_closed),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            match self.stream.try_read_buf(buffer) {
                Ok(0) => return Poll::Ready(Ok(())),
                Ok(_) => {
                    self.state.received();
                    return Poll::Ready(Ok(()));
                }
                Err(err) if err.kind() == io::ErrorKind::WouldBlock => {}
                Err(err) => return Poll::Ready(Err(err)),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_written(cx, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_written(cx, |stream| stream.try_write_vectored(pieces))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(rustix::net::shutdown(&*self.stream, rustix::net::Shutdown::Write).map_err(Into::into))
    }
}

impl Socket {
    fn poll_written(
        &self,
        cx: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            match write(&self.stream) {
                Err(err) if err.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }
}
