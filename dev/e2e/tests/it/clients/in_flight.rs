//! A request of which is known that it has left, long before it is answered.

use anyhow::{Context, Result, ensure};
use testkit::clients::http::ANSWER_TIMEOUT;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A request that has arrived in the kernel of the server, on a connection of its own.
#[derive(Debug)]
pub(crate) struct Sent(TcpStream);

impl Sent {
    /// Posts a body.
    pub(crate) async fn post(port: u16, path: &str, body: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.context("connecting")?;
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).await.context("sending a request")?;
        Ok(Self(stream))
    }

    /// Waits for the answer; its status.
    pub(crate) async fn status(mut self) -> Result<u16> {
        let mut answer = String::new();
        let read = tokio::time::timeout(ANSWER_TIMEOUT, self.0.read_to_string(&mut answer)).await;
        read.context("no answer in time")?.context("reading an answer")?;
        ensure!(answer.ends_with('}'), "not all of an answer: {answer:?}");
        let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        status.with_context(|| format!("no status in {answer:?}"))
    }
}
