//! Halts of partitions: why one stands still, and the decision that lets it go on.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use super::bigint::as_bigint;
use super::slice::Slice;

/// Why a partition is halted, and where it may go on.
#[derive(Debug, Clone)]
pub(crate) struct Halt {
    /// The reason, for operators.
    pub(crate) reason: String,
    /// Sequence behind which the partition goes on if an operator acknowledges the reason.
    pub(crate) resume_sequence: u64,
    /// Creation time of the stream that the reason is about.
    pub(crate) stream_created: DateTime<Utc>,
}

/// Records why a partition is halted.
pub(crate) async fn record(pool: &PgPool, slice: Slice, halt: &Halt) -> sqlx::Result<()> {
    sqlx::query!(
        "update checkpoint
         set halted_reason = $3, resume_sequence = $4, resume_stream_created = $5
         where generation_id = $1 and partition_id = $2",
        slice.generation.0,
        slice.partition_id(),
        halt.reason,
        as_bigint(halt.resume_sequence),
        halt.stream_created,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Deletes the record of a halt.
pub(crate) async fn clear(pool: &PgPool, slice: Slice) -> sqlx::Result<()> {
    sqlx::query!(
        "update checkpoint
         set halted_reason = null, resume_sequence = null, resume_stream_created = null
         where generation_id = $1 and partition_id = $2 and halted_reason is not null",
        slice.generation.0,
        slice.partition_id(),
    )
    .execute(pool)
    .await?;
    Ok(())
}
