//! The record of an erasure: when and how much, never what.

use contract::SketchKey;
use sqlx::PgPool;

use super::subject::Subject;
use crate::read_models::bigint::as_bigint;
use crate::read_models::generation::GenerationId;

/// Notes that an erasure begins, or finds the one that was begun and not finished, and answers its number.
pub(crate) async fn begin(pool: &PgPool, key: &SketchKey, subject: &Subject) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        "insert into erasure (kind, whose) values ($1, $2)
         on conflict (whose) do update set logged_off_at = null
         returning erasure_id",
        subject.kind(),
        subject.digest(key).0.cast_signed(),
    )
    .fetch_one(pool)
    .await
}

/// Notes what is about to be erased.
pub(crate) async fn add(pool: &PgPool, id: i64, events: u64, envelopes: u64) -> sqlx::Result<()> {
    sqlx::query!(
        "update erasure set events = events + $2, envelopes = envelopes + $3 where erasure_id = $1",
        id,
        as_bigint(events),
        as_bigint(envelopes),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Notes that the log has nothing of it any more. An erasure that found nothing is none.
pub(crate) async fn logged_off(pool: &PgPool, id: i64) -> sqlx::Result<()> {
    sqlx::query!("update erasure set logged_off_at = now() where erasure_id = $1", id).execute(pool).await?;
    sqlx::query!("delete from erasure where erasure_id = $1 and envelopes = 0", id).execute(pool).await?;
    Ok(())
}

/// How many erasures are begun and not finished: their read models may contain what was erased.
pub(crate) async fn unfinished(pool: &PgPool) -> sqlx::Result<i64> {
    sqlx::query_scalar!(r#"select count(*) as "count!" from erasure where finished_at is null"#).fetch_one(pool).await
}

/// Notes that read models were built from what is left, for all erasures that were through with the log before.
pub(crate) async fn finish(pool: &PgPool, built: GenerationId) -> sqlx::Result<()> {
    sqlx::query!(
        "update erasure
         set whose = null, generation_id = generation.generation_id, finished_at = now()
         from generation
         where generation.generation_id = $1 and finished_at is null and logged_off_at < created_at",
        built.0
    )
    .execute(pool)
    .await?;
    Ok(())
}
