//! What is remembered of event ids, compared with what the log says.

use contract::Partition;
use sqlx::PgConnection;

use crate::checkpoint::{Checkpoint, Slice};
use crate::recent;
use crate::repeats::{RecentIds, WindowSeconds};

/// Whether a partition remembers exactly these ids, at the checkpoint that is seen.
///
/// # Errors
///
/// The database is away, or what is remembered cannot be read.
pub(super) async fn is(
    db: &mut PgConnection,
    slice: Slice,
    window: WindowSeconds,
    expected: &RecentIds,
) -> anyhow::Result<bool> {
    let row = sqlx::query!(
        "select stream_sequence, epoch, stream_created, logged_at, log_slot
         from checkpoint
         where generation_id = $1 and partition_id = $2",
        slice.generation.0,
        slice.partition_id(),
    )
    .fetch_one(&mut *db)
    .await?;
    let checkpoint = Checkpoint {
        sequence: row.stream_sequence.unsigned_abs(),
        epoch: row.epoch,
        stream_created: row.stream_created,
        logged_at: row.logged_at,
        log_slot: row.log_slot.unsigned_abs(),
    };
    Ok(recent::load(db, slice, checkpoint, window).await? == *expected)
}

/// What to say where they differ.
pub(super) fn difference(partition: Partition) -> String {
    format!("remembered event ids of partition {partition}: others than those of the log")
}
