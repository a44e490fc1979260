//! Garbage collection: generations that were retired long before others, and those of
//! verifications that died.

use sqlx::PgPool;

use crate::read_models::generation::{self, Generation, Status};

/// Drops one of them, if there is one. If reports still read it, a later attempt drops it.
pub(super) async fn drop(pool: &PgPool, generations: &[Generation], kept: u32) -> anyhow::Result<()> {
    let mut retired: Vec<_> = generations.iter().filter(|generation| generation.status == Status::Retired).collect();
    retired.sort_by_key(|generation| std::cmp::Reverse(generation.retired_at));
    let unneeded = retired.into_iter().nth(kept as usize);
    let Some(id) = unneeded.map(|generation| generation.id).or(abandoned(pool).await?) else { return Ok(()) };
    let mut db = pool.acquire().await?;
    generation::drop(&mut db, id).await?;
    tracing::info!(generation.id = id.0, "Dropped a generation that is not needed any more");
    Ok(())
}

/// A verification's generation without a sign of life.
async fn abandoned(pool: &PgPool) -> sqlx::Result<Option<generation::GenerationId>> {
    let id = sqlx::query_scalar!(
        "select generation_id
         from generation
         where status = 'scratch' and created_at < now() - interval '1 minute'
           and not exists (select from projector_instance
                           where projector_instance.generation_id = generation.generation_id
                             and seen_at > now() - interval '1 minute')
         limit 1"
    )
    .fetch_optional(pool)
    .await?;
    Ok(id.map(generation::GenerationId))
}
