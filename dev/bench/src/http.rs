//! One connection to an HTTP server, kept alive. On two cores the client takes CPU from what it measures, so it does as
//! little as it can: requests are bytes that are ready, of an answer only its status and its length are read.

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer's headers. Ours have a few.
const HEADERS_MAX: usize = 32;

/// A connection.
pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

/// What was answered.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

impl Connection {
    pub(crate) async fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.context("connecting")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::with_capacity(64 * 1024) })
    }

    /// Sends a request, and reads its answer to the end.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.stream.write_all(request).await.context("sending")?;
        self.received.clear();
        loop {
            let bytes = self.stream.read_buf(&mut self.received).await.context("receiving")?;
            ensure!(bytes > 0, "the server has closed the connection");
            if let Some((status, begin, end)) = measured(&self.received)?
                && self.received.len() >= end
            {
                return Ok(Answer { status, body: &self.received[begin..end] });
            }
        }
    }
}

/// Status, and where the body begins and ends, once the headers are there.
fn measured(received: &[u8]) -> Result<Option<(u16, usize, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut answer = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(begin) = answer.parse(received).context("reading an answer")? else {
        return Ok(None);
    };
    let Some(length) = answer.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length")) else {
        bail!("an answer without a length");
    };
    let length: usize = std::str::from_utf8(length.value)?.trim().parse().context("an answer's length")?;
    Ok(Some((answer.code.context("an answer without a status")?, begin, begin + length)))
}

/// A request with a body.
pub(crate) fn post(path: &str, body: &[u8]) -> Vec<u8> {
    let mut request =
        format!("POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    request.extend_from_slice(body);
    request
}

/// A request without one.
pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n").into_bytes()
}
