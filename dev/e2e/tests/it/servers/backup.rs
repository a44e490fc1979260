//! A stream's backup, through the same questions to the log's server that `nats backup` asks.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use async_nats::jetstream;
use async_nats::{Client, Message};
use bytes::Bytes;
use contract::Partition;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::time::timeout;

/// Bytes of a piece: well below the largest message.
const CHUNK_BYTES: usize = 128 << 10;

/// Longest wait for a chunk, or for an answer.
const STEP_BOUND: Duration = Duration::from_secs(20);

/// A stream as it was in one moment. In memory: those of tests are small.
pub(crate) struct Backup {
    stream: String,
    config: Value,
    state: Value,
    chunks: Vec<Bytes>,
}

impl Backup {
    /// Takes one while everything runs, without consumers.
    ///
    /// # Errors
    ///
    /// There is no such stream, or the server breaks off.
    pub(crate) async fn take(log: &jetstream::Context, partition: Partition) -> Result<Self> {
        let (client, stream) = (log.client(), partition.stream());
        let inbox = client.new_inbox();
        let mut pieces = client.subscribe(inbox.clone()).await?;
        let asked = json!({"deliver_subject": inbox, "no_consumers": true, "chunk_size": CHUNK_BYTES});
        let mut said = ask(&client, format!("$JS.API.STREAM.SNAPSHOT.{stream}"), asked.to_string().into()).await?;
        let mut chunks = vec![];
        loop {
            let piece = timeout(STEP_BOUND, pieces.next()).await?.context("the connection is gone")?;
            if piece.payload.is_empty() {
                // The end, or why there is none.
                ensure!(piece.description.is_none(), "backing {stream} up: {:?}", piece.description);
                break;
            }
            // The server sends only so much that is not acknowledged.
            if let Some(reply) = piece.reply {
                client.publish(reply, Bytes::new()).await?;
            }
            chunks.push(piece.payload);
        }
        Ok(Self { config: said["config"].take(), state: said["state"].take(), stream, chunks })
    }

    /// The last sequence in it.
    pub(crate) fn last_sequence(&self) -> Option<i64> {
        self.state["last_seq"].as_i64()
    }

    /// Makes the stream again, which must not be there.
    pub(crate) async fn restore(&self, log: &jetstream::Context) -> Result<()> {
        let client = log.client();
        let asked = json!({"config": self.config, "state": self.state}).to_string();
        let said = ask(&client, format!("$JS.API.STREAM.RESTORE.{}", self.stream), asked.into()).await?;
        let subject = said["deliver_subject"].as_str().context("the server takes no backup")?.to_owned();
        for chunk in &self.chunks {
            let taken = request(&client, subject.clone(), chunk.clone()).await?;
            if !taken.payload.is_empty() {
                checked(&taken)?;
            }
        }
        // Nothing is the end.
        ask(&client, subject, Bytes::new()).await?;
        Ok(())
    }
}

async fn request(client: &Client, subject: String, payload: Bytes) -> Result<Message> {
    Ok(timeout(STEP_BOUND, client.request(subject, payload)).await??)
}

async fn ask(client: &Client, subject: String, payload: Bytes) -> Result<Value> {
    checked(&request(client, subject, payload).await?)
}

fn checked(said: &Message) -> Result<Value> {
    let said: Value = serde_json::from_slice(&said.payload).context("reading what the server said")?;
    match said.get("error") {
        Some(error) => bail!("the server refuses: {error}"),
        None => Ok(said),
    }
}
