//! One batch, in one transaction: the checkpoint and everything that it stands for, or nothing at all.

use std::time::Duration;

use chrono::{DateTime, Utc};
use contract::top_paths::CorruptTopPaths;
use service::Span;
use sqlx::{Connection, PgPool};
use tokio::time::Instant;

use crate::checkpoint::{self, Checkpoint, Moved, Slice, Unmoved};
use crate::config::Limits;
use crate::deltas::Deltas;
use crate::instruments;
use crate::isolation;
use crate::models::{self, Capped, UnusableSketch};
use crate::recent;

pub use crate::models::Known;

/// Over all statements of one transaction. Longer than that, and whoever waits behind it should have a try.
const COMMIT_TIMEOUT: Duration = Duration::from_mins(1);

/// Why a batch is not in the read models. Whether it is, is known only by the checkpoint: load it again.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Somebody else moved the checkpoint.
    #[error(transparent)]
    Moved(#[from] Moved),
    /// It is held where its generation is compared.
    #[error(transparent)]
    Held(Unmoved),
    /// A stored sketch is damaged or of another key. Somebody has to look; trying again does not help.
    #[error(transparent)]
    Sketch(#[from] UnusableSketch),
    /// A stored list of top paths is damaged. The same.
    #[error(transparent)]
    TopPaths(#[from] CorruptTopPaths),
    /// Postgres refuses a row, and will again: an event in the batch cannot be stored.
    #[error("Postgres refuses an event of a batch")]
    Refused(#[source] sqlx::Error),
    /// Postgres refuses what is kept beside the events of an envelope. An operator has to look; trying again does not help.
    #[error("Postgres refuses what is kept beside events: parked ones, or event ids")]
    Unkept(#[source] sqlx::Error),
    /// Postgres says no, or nothing.
    #[error("committing a batch")]
    Database(#[from] sqlx::Error),
    /// Postgres is there, but does not get anywhere.
    #[error("committing a batch took more than {} seconds", COMMIT_TIMEOUT.as_secs())]
    Timeout,
}

/// A batch: deltas of all envelopes behind a checkpoint, up to and including `last_sequence`.
#[derive(Debug)]
pub struct Batch {
    /// What it adds.
    pub deltas: Deltas,
    /// Where the checkpoint stands after it.
    pub last_sequence: u64,
    /// When the log stored the envelope there.
    pub last_logged_at: Option<DateTime<Utc>>,
    /// Envelopes in it.
    pub envelopes: u64,
    /// Envelopes that the log had behind it when it was read.
    pub pending: u64,
}

impl From<Unmoved> for CommitError {
    fn from(unmoved: Unmoved) -> Self {
        match unmoved {
            Unmoved::Moved(moved) => Self::Moved(moved),
            held @ Unmoved::Held(_) => Self::Held(held),
        }
    }
}

impl Batch {
    /// Events in it, readable or not: what it costs.
    pub fn events(&self) -> u64 {
        self.deltas.events + self.deltas.parked.len() as u64 + self.deltas.repeats()
    }

    /// Whether it is to be committed before more is read.
    pub(crate) fn is_full(&self, limits: Limits) -> bool {
        self.events() >= limits.batch_events_max || self.deltas.bytes() >= limits.batch_bytes_max
    }
}

/// Adds a batch to the read models and moves the checkpoint.
///
/// # Errors
///
/// See [`CommitError`]. Dropping the transaction rolls it back. `known` is of no use any more then.
pub async fn commit(
    pool: &PgPool,
    (slice, known): (Slice, &mut Known),
    from: Checkpoint,
    batch: &Batch,
) -> Result<Checkpoint, CommitError> {
    let begun = Instant::now();
    let committed = tokio::time::timeout(COMMIT_TIMEOUT, try_commit(pool, (slice, known), from, batch));
    let (checkpoint, capped) = committed.await.map_err(|_| CommitError::Timeout)?.map_err(told_apart)?;
    instruments::commit(begun.elapsed());
    instruments::capped(slice, capped);
    tracing::debug!(
        partition = slice.partition.number(),
        stream.sequence = checkpoint.sequence,
        batch.envelopes = batch.envelopes,
        batch.events = batch.deltas.events,
        batch.parked = batch.deltas.parked.len(),
        stream.pending = batch.pending,
        duration_ms = begun.elapsed().as_millis(),
        "Committed batch"
    );
    Ok(checkpoint)
}

/// Tells what Postgres says of a row from what it says of itself.
fn told_apart(err: CommitError) -> CommitError {
    match err {
        CommitError::Database(err) if isolation::is_refusal(&err) => CommitError::Refused(err),
        other => other,
    }
}

/// Ends the span of a commit that somebody traces.
pub(crate) fn end(span: Option<Span>, batch: &Batch, committed: &Result<Checkpoint, CommitError>) {
    let Some(mut span) = span else { return };
    span.note("messaging.batch.message_count", batch.envelopes);
    span.note("tidemark.batch.events", batch.events());
    if let Err(err) = committed {
        span.fail(err.to_string());
    }
}

async fn try_commit(
    pool: &PgPool,
    (slice, known): (Slice, &mut Known),
    from: Checkpoint,
    batch: &Batch,
) -> Result<(Checkpoint, Capped), CommitError> {
    assert!(batch.last_sequence > from.sequence, "a batch lies behind the checkpoint");
    let mut db = pool.acquire().await?;
    let mut tx = db.begin_with(models::BEGIN).await?;
    let checkpoint = checkpoint::advance(&mut tx, slice, from, batch).await??;
    let capped = models::add(&mut tx, slice, from.sequence == 0, known, &batch.deltas).await?;
    recent::add(&mut tx, slice, from, batch).await?;
    tx.commit().await?;
    Ok((checkpoint, capped))
}
