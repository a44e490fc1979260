//! Event ids that were seen lately, as Postgres remembers them: written in the transaction that moves the checkpoint,
//! read when the partition is opened. A row a batch, read one after the other: what lies in memory at once is the ids
//! within their bound, and one row.

use fold::{CorruptIds, DedupWindow, LateDedup, SeenIds, WindowSeconds};
use futures_util::TryStreamExt;
use sqlx::PgConnection;

use super::bigint::as_bigint;
use super::checkpoint::{self, Advance, Checkpoint};
use super::slice::Slice;
use crate::metrics;

/// Why the ids are not known.
#[derive(Debug, thiserror::Error)]
pub enum DedupStoreError {
    /// The stored ids were changed. An operator has to look.
    #[error(transparent)]
    Corrupt(#[from] CorruptIds),
    /// Postgres says no, or nothing.
    #[error("loading recent event ids")]
    Database(#[from] sqlx::Error),
}

/// Rows that one statement reads: no statement may take longer than its timeout, however much is stored.
const ROWS_A_STATEMENT: i64 = 100;

/// What is remembered at a checkpoint.
pub async fn load(
    db: &mut PgConnection,
    slice: Slice,
    checkpoint: Checkpoint,
    window: WindowSeconds,
) -> Result<DedupWindow, DedupStoreError> {
    let mut recent = DedupWindow::new(window, checkpoint.dedup);
    let (mut forgotten, mut before) = (0, Some(as_bigint(checkpoint.sequence) + 1));
    // The newest first: where older versions stored more than the bound, they are those that are kept.
    while let Some(sequence) = before.take() {
        let mut rows = sqlx::query!(
            "select stream_sequence, ids
             from recent_event_id
             where generation_id = $1 and partition_id = $2 and stream_sequence < $3 and log_slot >= $4
             order by stream_sequence desc
             limit $5",
            slice.generation.0,
            slice.partition_id(),
            sequence,
            as_bigint(recent.oldest_slot()),
            ROWS_A_STATEMENT,
        )
        .fetch(&mut *db);
        while let Some(row) = rows.try_next().await? {
            forgotten += recent.remember(&row.ids)?;
            before = Some(row.stream_sequence);
        }
    }
    metrics::forgotten(&slice.labels(), forgotten);
    Ok(recent)
}

/// Lets what is folded out of its turn know all that is stored of its ids.
pub(crate) async fn recall(
    db: &mut PgConnection,
    slice: Slice,
    mut ids: LateDedup,
) -> Result<LateDedup, DedupStoreError> {
    let mut before = Some(i64::MAX);
    while let Some(sequence) = before.take() {
        let mut rows = sqlx::query!(
            "select stream_sequence, ids
             from recent_event_id
             where generation_id = $1 and partition_id = $2 and stream_sequence < $3
             order by stream_sequence desc
             limit $4",
            slice.generation.0,
            slice.partition_id(),
            sequence,
            ROWS_A_STATEMENT,
        )
        .fetch(&mut *db);
        while let Some(row) = rows.try_next().await? {
            ids.remember(&row.ids)?;
            before = Some(row.stream_sequence);
        }
    }
    Ok(ids)
}

/// Adds a batch's ids, and deletes what has left the window or is forgotten because of the bound.
pub(crate) async fn add(db: &mut PgConnection, slice: Slice, advance: &Advance, seen: &SeenIds) -> sqlx::Result<()> {
    let Advance { from, to, .. } = *advance;
    if !seen.stored.is_empty() {
        sqlx::query!(
            "insert into recent_event_id (generation_id, partition_id, stream_sequence, log_slot, ids)
             values ($1, $2, $3, $4, $5)",
            slice.generation.0,
            slice.partition_id(),
            as_bigint(to.sequence),
            as_bigint(to.dedup.log_slot),
            seen.stored,
        )
        .execute(&mut *db)
        .await?;
    }
    // Once a slot: between two slots nothing leaves.
    if to.dedup.oldest_slot() > from.dedup.oldest_slot() {
        sqlx::query!(
            "delete from recent_event_id
             where generation_id = $1 and partition_id = $2 and log_slot < $3",
            slice.generation.0,
            slice.partition_id(),
            as_bigint(to.dedup.oldest_slot()),
        )
        .execute(db)
        .await?;
    }
    Ok(())
}

/// Adds the ids of a message that is folded out of its turn, and sees to it that log time is not behind them. The sequence
/// is behind the checkpoint already.
pub(crate) async fn add_late(db: &mut PgConnection, slice: Slice, sequence: u64, seen: &SeenIds) -> sqlx::Result<()> {
    let Some(log_slot) = seen.latest_slot() else { return Ok(()) };
    checkpoint::raise_log_slot(&mut *db, slice, log_slot).await?;
    sqlx::query!(
        "insert into recent_event_id as known (generation_id, partition_id, stream_sequence, log_slot, ids)
         values ($1, $2, $3, $4, $5)
         on conflict (generation_id, partition_id, stream_sequence)
         do update set ids = known.ids || excluded.ids, log_slot = greatest(known.log_slot, excluded.log_slot)",
        slice.generation.0,
        slice.partition_id(),
        as_bigint(sequence),
        as_bigint(log_slot),
        seen.stored,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Keeps the ids behind `to` when a partition goes back there: what was counted stays counted, and a repeat of it is one.
/// The sequences are given to new batches, so the rows get negative ones, below all that are there. Each stays a row of
/// its own: one row of all of them could be larger than a row may be.
pub(crate) async fn rewind(db: &mut PgConnection, generation_id: i32, partition_id: i32, to: i64) -> sqlx::Result<()> {
    sqlx::query!(
        "with beyond as (
           select stream_sequence, row_number() over (order by stream_sequence desc) as place
           from recent_event_id
           where generation_id = $1 and partition_id = $2 and stream_sequence > $3
         ), lowest as (
           select least(0, min(stream_sequence)) as stream_sequence
           from recent_event_id
           where generation_id = $1 and partition_id = $2
         )
         update recent_event_id as known
         set stream_sequence = lowest.stream_sequence - beyond.place
         from beyond, lowest
         where known.generation_id = $1 and known.partition_id = $2
           and known.stream_sequence = beyond.stream_sequence",
        generation_id,
        partition_id,
        to,
    )
    .execute(db)
    .await?;
    Ok(())
}
