//! Halts of partitions: why one stands still, and the decision that lets it go on.

use std::ops::RangeInclusive;

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

/// Passes a gap that an operator has acknowledged for another generation: the decision was about this stream. Answers
/// whether it was passed, which is recorded; then the partition has no owner.
///
/// A decision that the same stream was restored to an older state ends those about what lay behind that place: since then
/// the log has given their sequences again.
pub(crate) async fn pass_acknowledged(
    pool: &PgPool,
    slice: Slice,
    stream_created: DateTime<Utc>,
    gap: RangeInclusive<u64>,
) -> sqlx::Result<bool> {
    let (from, to) = (as_bigint(*gap.start()), as_bigint(*gap.end()));
    let passed = sqlx::query!(
        "with decision as (
           select acknowledgement_id, reason, acknowledged_by
           from acknowledgement
           where partition_id = $2 and stream_created = $3 and from_sequence = $4 and to_sequence = $5
             and decision_id is null
             and not exists (select from acknowledgement as later
                             where later.partition_id = $2
                               and later.acknowledgement_id > acknowledgement.acknowledgement_id
                               and later.to_sequence < later.from_sequence and later.to_sequence < $5)
           order by acknowledgement_id
           limit 1
         ), passed as (
           update checkpoint
           set stream_sequence = $5, logged_at = null, counted_until = greatest(counted_until, logged_at),
               epoch = epoch + 1, owner = null, lease_until = null
           from decision
           where generation_id = $1 and partition_id = $2 and stream_sequence = $4::bigint - 1
           returning decision.*
         )
         insert into acknowledgement
             (generation_id, partition_id, stream_created, from_sequence, to_sequence, reason, acknowledged_by, decision_id)
         select $1, $2, $3, $4, $5, reason, acknowledged_by, acknowledgement_id
         from passed",
        slice.generation.0,
        slice.partition_id(),
        stream_created,
        from,
        to,
    )
    .execute(pool)
    .await?;
    Ok(passed.rows_affected() == 1)
}
