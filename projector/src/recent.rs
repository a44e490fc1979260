//! Event ids that were seen lately, as Postgres remembers them: written in the transaction that moves the checkpoint,
//! read when the partition is opened.

use futures_util::TryStreamExt;
use sqlx::{PgConnection, PgExecutor};

use crate::checkpoint::{Checkpoint, Slice, as_bigint};
use crate::commit::Batch;
use crate::repeats::{CorruptIds, RecentIds, SLOTS, SeenIds, WindowSeconds};

/// Why the ids are not known.
#[derive(Debug, thiserror::Error)]
pub enum RecentError {
    /// They were changed. Somebody has to look.
    #[error(transparent)]
    Corrupt(#[from] CorruptIds),
    /// Postgres says no, or nothing.
    #[error("loading recent event ids")]
    Database(#[from] sqlx::Error),
}

/// What is remembered at a checkpoint.
///
/// # Errors
///
/// See [`RecentError`].
pub async fn load(
    db: impl PgExecutor<'_>,
    slice: Slice,
    checkpoint: Checkpoint,
    window: WindowSeconds,
) -> Result<RecentIds, RecentError> {
    let mut recent = RecentIds::new(window, checkpoint.log_slot);
    let mut batches = sqlx::query_scalar!(
        "select ids
         from recent_event_id
         where generation_id = $1 and partition_id = $2 and stream_sequence <= $3 and log_slot >= $4
         order by stream_sequence",
        slice.generation.0,
        slice.partition_id(),
        as_bigint(checkpoint.sequence),
        as_bigint(recent.oldest_slot()),
    )
    .fetch(db);
    while let Some(ids) = batches.try_next().await? {
        recent.remember(&ids)?;
    }
    Ok(recent)
}

/// Adds a batch's ids, and deletes what has left the window.
pub(crate) async fn add(db: &mut PgConnection, slice: Slice, from: Checkpoint, batch: &Batch) -> sqlx::Result<()> {
    let seen = &batch.deltas.seen;
    if seen.stored.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into recent_event_id (generation_id, partition_id, stream_sequence, log_slot, ids)
         values ($1, $2, $3, $4, $5)",
        slice.generation.0,
        slice.partition_id(),
        as_bigint(batch.last_sequence),
        as_bigint(seen.slot),
        seen.stored,
    )
    .execute(&mut *db)
    .await?;
    // Once a slot: between two slots nothing leaves.
    if seen.slot > from.log_slot {
        sqlx::query!(
            "delete from recent_event_id
             where generation_id = $1 and partition_id = $2 and log_slot < $3",
            slice.generation.0,
            slice.partition_id(),
            as_bigint(seen.slot.saturating_sub(SLOTS)),
        )
        .execute(db)
        .await?;
    }
    Ok(())
}

/// Adds the ids of a message that is folded out of its turn; its sequence is behind the checkpoint already.
pub(crate) async fn add_out_of_turn(
    db: &mut PgConnection,
    slice: Slice,
    sequence: u64,
    seen: &SeenIds,
) -> sqlx::Result<()> {
    if seen.stored.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into recent_event_id as known (generation_id, partition_id, stream_sequence, log_slot, ids)
         values ($1, $2, $3, $4, $5)
         on conflict (generation_id, partition_id, stream_sequence)
         do update set ids = known.ids || excluded.ids",
        slice.generation.0,
        slice.partition_id(),
        as_bigint(sequence),
        as_bigint(seen.slot),
        seen.stored,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Keeps the ids behind `to` when a partition goes back there: what was counted stays counted, and a repeat of it is one.
/// The sequences are given to new batches, so the ids move to where the partition goes on.
pub(crate) async fn rewind(db: &mut PgConnection, generation_id: i32, partition_id: i32, to: i64) -> sqlx::Result<()> {
    sqlx::query!(
        "with beyond as (
           delete from recent_event_id
           where generation_id = $1 and partition_id = $2 and stream_sequence > $3
           returning stream_sequence, log_slot, ids
         )
         insert into recent_event_id as known (generation_id, partition_id, stream_sequence, log_slot, ids)
         select $1, $2, $3, max(log_slot), string_agg(ids, ''::bytea order by stream_sequence)
         from beyond
         having count(*) > 0
         on conflict (generation_id, partition_id, stream_sequence)
         do update set ids = known.ids || excluded.ids, log_slot = greatest(known.log_slot, excluded.log_slot)",
        generation_id,
        partition_id,
        to,
    )
    .execute(db)
    .await?;
    Ok(())
}
