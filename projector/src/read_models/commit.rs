//! One batch, in one transaction: the checkpoint and everything that it stands for, or nothing at all.

use chrono::{DateTime, Utc};
use fold::{Deltas, Fold};
use service::Span;
use sqlx::{Connection, PgPool};
use tokio::time::Instant;

use super::checkpoint::{self, Advance, Checkpoint};
use super::dedup_store;
use super::error::{COMMIT_TIMEOUT, CommitError};
use super::write::{self, Capped, SliceWriter, WriteMode};
use crate::metrics;

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

impl Batch {
    /// Events in it, readable or not: what it costs.
    pub fn events(&self) -> u64 {
        self.deltas.events + self.deltas.parked.len() as u64 + self.deltas.repeats()
    }

    /// Numbers of it that are measured.
    pub(crate) fn measured(&self) -> metrics::Committed {
        metrics::Committed {
            counted: self.deltas.events,
            parked: self.deltas.parked.len() as u64,
            repeats: self.deltas.repeats(),
            forgotten: self.deltas.seen.forgotten,
            events: self.events(),
        }
    }

    /// A batch of nothing yet.
    pub(crate) fn empty(fold: &Fold) -> Self {
        Self { deltas: fold.begin(), last_sequence: 0, last_logged_at: None, envelopes: 0, pending: 0 }
    }

    /// How it moves a checkpoint.
    pub(crate) fn advance(&self, from: Checkpoint) -> Advance {
        let dedup = self.deltas.seen.state.unwrap_or(from.dedup);
        let (sequence, logged_at) = (self.last_sequence, self.last_logged_at);
        let to = Checkpoint { sequence, logged_at, counted_until: None, dedup, ..from };
        Advance { from, to, events: self.events() }
    }
}

/// Adds a batch to the read models and moves the checkpoint.
///
/// # Errors
///
/// See [`CommitError`]. Dropping the transaction rolls it back. The writer has to forget then.
pub async fn commit(
    pool: &PgPool,
    writer: &mut SliceWriter,
    from: Checkpoint,
    batch: &Batch,
) -> Result<Checkpoint, CommitError> {
    let (begun, slice) = (Instant::now(), writer.slice());
    let committed = tokio::time::timeout(COMMIT_TIMEOUT, try_commit(pool, writer, from, batch));
    let committed = committed.await.map_err(|_| CommitError::Timeout)?;
    let (checkpoint, capped) = committed.map_err(CommitError::classified)?;
    metrics::commit(begun.elapsed());
    metrics::capped(slice.labels(), capped.by_kind());
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

/// Ends the span of a commit that is traced.
pub(crate) fn end_span(span: Option<Span>, batch: &Batch, committed: &Result<Checkpoint, CommitError>) {
    let Some(mut span) = span else { return };
    span.note("messaging.batch.message_count", batch.envelopes);
    span.note("tidemark.batch.events", batch.events());
    if let Err(err) = committed {
        span.fail(err.to_string());
    }
}

async fn try_commit(
    pool: &PgPool,
    writer: &mut SliceWriter,
    from: Checkpoint,
    batch: &Batch,
) -> Result<(Checkpoint, Capped), CommitError> {
    assert!(batch.last_sequence > from.sequence, "a batch lies behind the checkpoint");
    let mut db = pool.acquire().await?;
    let mut tx = db.begin_with(write::BEGIN).await?;
    let (slice, advance) = (writer.slice(), batch.advance(from));
    let mode = if from.sequence == 0 { WriteMode::CopyIfEmpty } else { WriteMode::Upsert };
    let checkpoint = checkpoint::advance(&mut tx, slice, &advance).await??;
    let capped = writer.add(&mut tx, mode, &batch.deltas).await?;
    dedup_store::add(&mut tx, slice, &advance, &batch.deltas.seen).await?;
    tx.commit().await?;
    Ok((checkpoint, capped))
}
