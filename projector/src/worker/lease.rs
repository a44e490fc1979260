//! Ownership of partitions: a lease in Postgres, measured by Postgres' clock. Taking one raises the epoch, which
//! every commit of the owner checks. So an owner that was replaced while it stood still cannot commit, and no lock has
//! to be held that could be lost unnoticed.

use std::time::Duration;

use contract::Partition;
use sqlx::PgPool;

use crate::read_models::checkpoint::{Checkpoint, CheckpointRow};
use crate::read_models::generation::GenerationId;
use crate::read_models::slice::Slice;

/// Projectors that were not seen for so long are forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(1);

/// One run of one projector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Instance {
    id: String,
    lease: Duration,
}

impl Instance {
    /// A new one. Without a sign of life for the time of `lease`, its partitions are taken over.
    pub(crate) fn new(lease: Duration) -> Self {
        Self { id: nuid::next().to_string(), lease }
    }

    /// Between two signs of life: two may be lost.
    pub(crate) fn renew_pause(&self) -> Duration {
        self.lease.mul_f64(0.3)
    }

    fn lease_s(&self) -> f64 {
        self.lease.as_secs_f64()
    }
}

/// Takes a partition that has no owner, and answers where its checkpoint stands, under an epoch of its own.
pub(crate) async fn take(pool: &PgPool, slice: Slice, me: &Instance) -> sqlx::Result<Option<Checkpoint>> {
    let taken = sqlx::query_as!(
        CheckpointRow,
        r#"with free as (
             select generation_id, partition_id
             from checkpoint
             where generation_id = $1 and partition_id = $2
               and (owner is null or owner = $3 or lease_until < now())
             -- An owner that is committing holds the row: it lives.
             for update skip locked
         )
         update checkpoint
         set owner = $3, epoch = epoch + 1, lease_until = now() + $4 * interval '1 second'
         from free
         where checkpoint.generation_id = free.generation_id and checkpoint.partition_id = free.partition_id
         returning stream_sequence, epoch, stream_created, logged_at, counted_until,
                   log_slot, log_time_ms, doubted_time_ms, stored_time_ms, sent_time_ms, kept_from_slot"#,
        slice.generation.0,
        slice.partition_id(),
        me.id,
        me.lease_s(),
    )
    .fetch_optional(pool)
    .await?;
    Ok(taken.map(Checkpoint::from))
}

/// Renews a lease; answers whether it still was ours.
pub(crate) async fn renew(pool: &PgPool, slice: Slice, me: &Instance, epoch: i64) -> sqlx::Result<bool> {
    let renewed = sqlx::query!(
        // From when it is granted, not from when it was asked for: it waits behind a batch that is being committed.
        "update checkpoint
         set lease_until = clock_timestamp() + $4 * interval '1 second'
         where generation_id = $1 and partition_id = $2 and epoch = $3",
        slice.generation.0,
        slice.partition_id(),
        epoch,
        me.lease_s(),
    )
    .execute(pool)
    .await?;
    Ok(renewed.rows_affected() == 1)
}

/// Gives a partition back, so that another projector can take it at once.
///
/// # Errors
///
/// The database is unavailable; then the lease runs out by itself.
pub(crate) async fn release(pool: &PgPool, slice: Slice, me: &Instance) -> sqlx::Result<()> {
    sqlx::query!(
        "update checkpoint
         set owner = null, lease_until = null
         where generation_id = $1 and partition_id = $2 and owner = $3",
        slice.generation.0,
        slice.partition_id(),
        me.id,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// The epoch of a partition's present owner, for one who may have lost it.
pub(crate) async fn epoch(pool: &PgPool, slice: Slice) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        "select epoch from checkpoint where generation_id = $1 and partition_id = $2",
        slice.generation.0,
        slice.partition_id(),
    )
    .fetch_one(pool)
    .await
}

/// Tells the others that this projector lives and builds a generation, and answers how many do.
pub(crate) async fn sign_of_life(pool: &PgPool, me: &Instance, generation: GenerationId) -> sqlx::Result<usize> {
    sqlx::query!(
        "insert into projector_instance (generation_id, instance_id, seen_at) values ($1, $2, now())
         on conflict (generation_id, instance_id) do update set seen_at = now()",
        generation.0,
        me.id,
    )
    .execute(pool)
    .await?;
    sqlx::query!(
        "delete from projector_instance where seen_at < now() - $1 * interval '1 second'",
        FORGOTTEN_AFTER.as_secs_f64(),
    )
    .execute(pool)
    .await?;
    let alive = sqlx::query_scalar!(
        r#"select count(*) as "alive!"
         from projector_instance
         where generation_id = $1 and seen_at > now() - $2 * interval '1 second'"#,
        generation.0,
        me.lease_s(),
    )
    .fetch_one(pool)
    .await?;
    Ok(usize::try_from(alive).unwrap_or(1).max(1))
}

/// Says that this projector no longer builds a generation.
///
/// # Errors
///
/// The database is unavailable; then it is forgotten by itself.
pub(crate) async fn farewell(pool: &PgPool, me: &Instance, generation: GenerationId) -> sqlx::Result<()> {
    sqlx::query!("delete from projector_instance where generation_id = $1 and instance_id = $2", generation.0, me.id,)
        .execute(pool)
        .await?;
    Ok(())
}

/// How many of `partitions` each of `projectors` may own, so that all are owned.
pub(crate) fn fair_share(partitions: usize, projectors: usize) -> usize {
    partitions.div_ceil(projectors.max(1))
}

/// Which partitions to give back where `owned` are more than `share`: the last ones.
pub(crate) fn surplus(
    owned: impl DoubleEndedIterator<Item = Partition> + ExactSizeIterator,
    share: usize,
) -> Vec<Partition> {
    let surplus = owned.len().saturating_sub(share);
    owned.rev().take(surplus).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_leave_no_partition_without_an_owner() {
        for partitions in 0..20 {
            for projectors in 1..10 {
                assert!(fair_share(partitions, projectors) * projectors >= partitions);
            }
        }
        assert_eq!((fair_share(4, 2), fair_share(4, 3), fair_share(1, 5)), (2, 2, 1));
    }

    #[test]
    fn only_what_is_beyond_the_share_is_given_back() {
        let owned: Vec<_> = Partition::all(4).collect();
        let numbers = |share| {
            surplus(owned.clone().into_iter(), share).iter().map(|partition| partition.number()).collect::<Vec<_>>()
        };
        assert_eq!((numbers(2), numbers(4), numbers(9)), (vec![3, 2], vec![], vec![]));
    }
}
