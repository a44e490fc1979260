//! How far a partition is folded, in the generation that is built. The only cursor there is.

use chrono::{DateTime, Utc};
use contract::Partition;
use fold::{DedupState, LogClock};
use sqlx::{PgConnection, PgExecutor, PgPool};

use super::bigint::as_bigint;
use super::generation::GenerationId;
use super::slice::Slice;

/// Read models contain all envelopes up to here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// The last envelope's sequence; 0 before the first.
    pub sequence: u64,
    /// Changes with the owner.
    pub epoch: i64,
    /// When the stream was made whose sequences these are.
    pub stream_created: DateTime<Utc>,
    /// When the log stored the last envelope, where that is known.
    pub logged_at: Option<DateTime<Utc>>,
    /// Everything that was counted was stored until then, where a decision moved the checkpoint since the last commit.
    pub counted_until: Option<DateTime<Utc>>,
    /// What recognising repeats goes on from.
    pub dedup: DedupState,
}

/// A checkpoint as Postgres has it.
pub(crate) struct CheckpointRow {
    pub(crate) stream_sequence: i64,
    pub(crate) epoch: i64,
    pub(crate) stream_created: DateTime<Utc>,
    pub(crate) logged_at: Option<DateTime<Utc>>,
    pub(crate) counted_until: Option<DateTime<Utc>>,
    pub(crate) log_slot: i64,
    pub(crate) log_time_ms: Option<i64>,
    pub(crate) doubted_time_ms: Option<i64>,
    pub(crate) stored_time_ms: Option<i64>,
    pub(crate) sent_time_ms: Option<i64>,
    pub(crate) kept_from_slot: i64,
}

impl From<CheckpointRow> for Checkpoint {
    fn from(row: CheckpointRow) -> Self {
        let known = |time: Option<i64>| time.map(i64::unsigned_abs);
        let clock = LogClock {
            now_ms: known(row.log_time_ms).unwrap_or(0),
            doubted_ms: known(row.doubted_time_ms),
            stored_ms: known(row.stored_time_ms),
            sent_ms: known(row.sent_time_ms),
        };
        Self {
            sequence: u64::try_from(row.stream_sequence).expect("constraint checkpoint_sequence"),
            epoch: row.epoch,
            stream_created: row.stream_created,
            logged_at: row.logged_at,
            counted_until: row.counted_until,
            dedup: DedupState {
                log_slot: row.log_slot.unsigned_abs(),
                clock,
                kept_from_slot: row.kept_from_slot.unsigned_abs(),
            },
        }
    }
}

/// How a batch moves a checkpoint.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Advance {
    /// Expected position of the checkpoint.
    pub(crate) from: Checkpoint,
    /// New position of the checkpoint.
    pub(crate) to: Checkpoint,
    /// Number of events in the batch.
    pub(crate) events: u64,
}

/// The checkpoint is not where its owner left it: another projector owns the partition now. What was folded is thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the checkpoint is no longer ours: epoch {epoch} has ended")]
pub struct Moved {
    /// Epoch under which this projector owned the partition.
    pub epoch: i64,
}

/// Reason for which a checkpoint is not moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unmoved {
    /// The checkpoint is at another position.
    #[error(transparent)]
    Moved(#[from] Moved),
    /// The generation is compared, or switched to, at a place that the batch would pass. It was read before that was known.
    #[error("the generation is held where it is compared; the batch would go on to sequence {0}")]
    Held(u64),
}

/// The checkpoint of a partition as it is seen now.
pub async fn find(db: impl PgExecutor<'_>, slice: Slice) -> sqlx::Result<Option<Checkpoint>> {
    let row = sqlx::query_as!(
        CheckpointRow,
        "select stream_sequence, epoch, stream_created, logged_at, counted_until,
                log_slot, log_time_ms, doubted_time_ms, stored_time_ms, sent_time_ms, kept_from_slot
         from checkpoint
         where generation_id = $1 and partition_id = $2",
        slice.generation.0,
        slice.partition_id(),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(Checkpoint::from))
}

/// The partitions of a generation.
pub(crate) async fn partitions(db: impl PgExecutor<'_>, generation: GenerationId) -> sqlx::Result<Vec<Partition>> {
    let numbers = sqlx::query_scalar!(
        "select partition_id from checkpoint where generation_id = $1 order by partition_id",
        generation.0
    );
    let numbers = numbers.fetch_all(db).await?.into_iter();
    Ok(numbers.filter_map(|number| Partition::numbered(u16::try_from(number).ok()?)).collect())
}

/// Makes the checkpoint of a partition at 0 if there is none. One before the first envelope is of whatever stream there is.
pub async fn create(pool: &PgPool, slice: Slice, stream_created: DateTime<Utc>) -> sqlx::Result<()> {
    create_at(pool, slice, 0, stream_created).await?;
    sqlx::query!(
        "update checkpoint
         set stream_created = $3
         where generation_id = $1 and partition_id = $2 and stream_sequence = 0 and stream_created <> $3",
        slice.generation.0,
        slice.partition_id(),
        stream_created,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Makes the checkpoint of a partition behind what is to be left out.
pub(crate) async fn create_at(
    db: impl PgExecutor<'_>,
    slice: Slice,
    sequence: u64,
    stream_created: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into checkpoint (generation_id, partition_id, stream_sequence, stream_created)
         values ($1, $2, $3, $4)
         on conflict do nothing",
        slice.generation.0,
        slice.partition_id(),
        as_bigint(sequence),
        stream_created,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Moves the checkpoint, unless another owner did, or it is held.
///
/// Must come first in the transaction: it locks the row, so of two projectors on one partition the second waits here,
/// then finds sequence or epoch changed, and has added nothing.
///
/// Listeners are notified with the commit. The notification says neither which sites have events nor how many: it is as
/// short for a thousand sites as for one, and query reads what it needs.
pub(crate) async fn advance(
    db: &mut PgConnection,
    slice: Slice,
    advance: &Advance,
) -> sqlx::Result<Result<Checkpoint, Unmoved>> {
    let Advance { from, to, events } = *advance;
    let DedupState { log_slot, clock, kept_from_slot } = to.dedup;
    let log_time_ms = (clock.now_ms > 0).then_some(clock.now_ms);
    let advanced = sqlx::query!(
        "update checkpoint
         set stream_sequence = $5, log_slot = $6, logged_at = $7, counted_until = null,
             events = events + $8, updated_at = now(),
             log_time_ms = $9, doubted_time_ms = $10, stored_time_ms = $11, sent_time_ms = $12, kept_from_slot = $13
         where generation_id = $1 and partition_id = $2 and stream_sequence = $3 and epoch = $4
           and (ceiling is null or ceiling >= $5)
         returning pg_notify('projection', generation_id || '-' || partition_id)",
        slice.generation.0,
        slice.partition_id(),
        as_bigint(from.sequence),
        from.epoch,
        as_bigint(to.sequence),
        as_bigint(log_slot),
        to.logged_at,
        as_bigint(events),
        log_time_ms.map(as_bigint),
        clock.doubted_ms.map(as_bigint),
        clock.stored_ms.map(as_bigint),
        clock.sent_ms.map(as_bigint),
        as_bigint(kept_from_slot),
    )
    .fetch_optional(&mut *db)
    .await?;
    if advanced.is_some() {
        return Ok(Ok(to));
    }
    let is_ours = sqlx::query_scalar!(
        r#"select exists (select from checkpoint
                          where generation_id = $1 and partition_id = $2 and stream_sequence = $3 and epoch = $4)
           as "is_ours!""#,
        slice.generation.0,
        slice.partition_id(),
        as_bigint(from.sequence),
        from.epoch,
    )
    .fetch_one(db)
    .await?;
    Ok(Err(if is_ours { Unmoved::Held(to.sequence) } else { Moved { epoch: from.epoch }.into() }))
}

/// Takes a partition from its owner, who begins again at the checkpoint and reads anew what the partition remembers.
/// No other transaction can commit until this one ends.
pub(crate) async fn fence(db: &mut PgConnection, slice: Slice) -> sqlx::Result<Checkpoint> {
    let row = sqlx::query_as!(
        CheckpointRow,
        "update checkpoint
         set epoch = epoch + 1, owner = null, lease_until = null
         where generation_id = $1 and partition_id = $2
         returning stream_sequence, epoch, stream_created, logged_at, counted_until,
                   log_slot, log_time_ms, doubted_time_ms, stored_time_ms, sent_time_ms, kept_from_slot",
        slice.generation.0,
        slice.partition_id(),
    )
    .fetch_one(db)
    .await?;
    Ok(row.into())
}

/// Moves log time on to a slot that something was noted in out of its turn, where it lies ahead. Left behind, log time
/// would take the note for long gone.
pub(crate) async fn raise_log_slot(db: &mut PgConnection, slice: Slice, log_slot: u64) -> sqlx::Result<()> {
    sqlx::query!(
        "update checkpoint
         set log_slot = greatest(log_slot, $3)
         where generation_id = $1 and partition_id = $2",
        slice.generation.0,
        slice.partition_id(),
        as_bigint(log_slot),
    )
    .execute(db)
    .await?;
    Ok(())
}
