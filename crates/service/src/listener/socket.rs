//! Socket of a connection, shared by the protocol, which reads and writes it, and by the watch.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use tokio::net::TcpStream;

use super::state::State;

/// Stream for HTTP, or for TLS below it.
pub(crate) struct Socket {
    stream: Arc<TcpStream>,
    state: Arc<State>,
}

/// Notices that the client has closed its sending side, which the protocol does not look for while it answers.
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
    /// Returns true once the client has closed its sending side, or false once it has sent something else.
    pub(super) async fn is_there(&self) -> bool {
        match self.0.peek(&mut [0]).await {
            Ok(0) | Err(_) => true,
            // The end may follow the data: TLS announces it with a message.
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
