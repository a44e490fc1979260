//! A page of another origin, as a shop has one that sends its visits to Tidemark.

use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Bytes of a browser's request.
const REQUEST_BYTES_MAX: usize = 16 << 10;

/// Serves one page at every path. Dropped, it is gone.
pub(crate) struct Page {
    origin: String,
    _server: JoinSet<()>,
}

impl Page {
    /// Serves this HTML at a port of its own, which makes it an origin of its own.
    pub(crate) async fn serve(html: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listening")?;
        let origin = format!("http://localhost:{}", listener.local_addr()?.port());
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{html}",
            html.len()
        );
        let mut server = JoinSet::new();
        server.spawn(accept(listener, answer.into()));
        Ok(Self { origin, _server: server })
    }

    /// As browsers write it.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }
}

async fn accept(listener: TcpListener, answer: Arc<str>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(show(stream, answer.clone()));
    }
}

/// A browser that leaves early is its own business.
async fn show(mut stream: TcpStream, answer: Arc<str>) {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < REQUEST_BYTES_MAX {
        if !matches!(stream.read_buf(&mut request).await, Ok(1..)) {
            return;
        }
    }
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}
