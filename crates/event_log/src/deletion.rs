//! Taking envelopes out of the log, for an erasure or because they are archived: the one way to do it. A server that has
//! restarted knows only the ids of messages that it has. So an envelope that ingest may still send again stays: taken out,
//! it could be stored a second time.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use async_nats::jetstream::response::Response;
use async_nats::jetstream::stream::Stream;
use chrono::{DateTime, TimeDelta, Utc};
use contract::Partition;
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::connect::Log;
use super::lookup;

/// The longest `PUBLISH_DEADLINE_MS` that ingest takes.
pub const PUBLISH_DEADLINE_MAX: Duration = Duration::from_mins(1);

/// More than ingest's deadline: for the clocks of two machines, and for an envelope on its way.
const MARGIN: Duration = Duration::from_secs(5);

/// What the log's server says of its clock, beside a stream.
#[derive(Debug, Deserialize)]
struct Told {
    #[serde(rename = "ts")]
    now: Option<DateTime<Utc>>,
}

/// A way to take envelopes out of one partition that were in it when this was made.
pub struct Deletion {
    log: Log,
    partition: Partition,
    events: Stream,
    /// How long ingest may send an envelope again.
    settle: Duration,
    begun: Instant,
}

impl Deletion {
    /// `publish_deadline` is the longest of any ingest that writes to this log.
    pub async fn open(log: &Log, partition: Partition, publish_deadline: Duration) -> anyhow::Result<Self> {
        let events = log.get_stream(partition.stream()).await.context("looking at the stream")?;
        let (log, settle) = (log.clone(), publish_deadline + MARGIN);
        Ok(Self { log, partition, events, settle, begun: Instant::now() })
    }

    /// How the partition's stream is kept.
    pub fn events(&self) -> &Stream {
        &self.events
    }

    /// How long an envelope has to be in the log before it may be taken out.
    pub fn settle(&self) -> Duration {
        self.settle
    }

    /// The time up to which envelopes in the log are settled: ingest does not send them again. The earliest time there is if
    /// the log does not tell its own.
    pub async fn settled_until(&self) -> anyhow::Result<DateTime<Utc>> {
        let told: Response<Told> = self
            .log
            .request(format!("STREAM.INFO.{}", self.partition.stream()), &json!({}))
            .await
            .context("asking the log for its time")?;
        let now = match told {
            Response::Ok(told) => told.now,
            Response::Err { error } => return Err(error).context("asking the log for its time"),
        };
        if self.begun.elapsed() >= self.settle {
            return Ok(DateTime::<Utc>::MAX_UTC);
        }
        let settle = TimeDelta::from_std(self.settle).expect("a minute and some");
        Ok(now.map_or(DateTime::<Utc>::MIN_UTC, |now| now - settle))
    }

    /// Deletes an envelope and has its bytes overwritten, unless it is gone already. Waits until ingest cannot send it again.
    pub async fn delete(&self, sequence: u64, logged_at: DateTime<Utc>) -> anyhow::Result<()> {
        self.wait_until_settled(logged_at).await?;
        delete(&self.log, &self.events, sequence).await
    }

    /// Waits until ingest cannot send an envelope again that the log stored at this time, before this was made.
    pub async fn wait_until_settled(&self, logged_at: DateTime<Utc>) -> anyhow::Result<()> {
        let left = self.settle.saturating_sub(self.begun.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        let young = (logged_at - self.settled_until().await?).to_std().unwrap_or(Duration::ZERO);
        sleep(left.min(young)).await;
        Ok(())
    }

    /// Takes out everything up to an envelope, which must be settled.
    ///
    /// # Errors
    ///
    /// The log is unavailable, its user may not do it, or ingest may send the envelope again.
    pub async fn purge_through(&self, sequence: u64) -> anyhow::Result<()> {
        if let Some(last) = lookup::at(&self.log, &self.partition.stream(), sequence).await? {
            ensure!(last.logged_at <= self.settled_until().await?, "sequence {sequence} may be sent again");
        }
        // The sequence is the first that stays.
        let purged = self.events.purge().sequence(sequence + 1).await;
        purged.context("taking envelopes out of the log; this needs the log's user `operator`")?;
        Ok(())
    }
}

/// Deletes a message and has its bytes overwritten, unless it is gone already.
pub async fn delete(log: &Log, stream: &Stream, sequence: u64) -> anyhow::Result<()> {
    let Err(err) = stream.delete_message(sequence).await else { return Ok(()) };
    // The server has several words for one that is gone.
    match lookup::at(log, &stream.cached_info().config.name, sequence).await {
        Ok(None) => Ok(()),
        _ => Err(err).context("deleting a message; erasing needs the log's user `operator`"),
    }
}
