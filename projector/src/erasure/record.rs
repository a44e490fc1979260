//! That something was erased, when and how much. Never what.

use sqlx::PgPool;

use crate::checkpoint::as_bigint;
use crate::generation::GenerationId;

/// Notes that an erasure begins, and answers its number.
pub(crate) async fn begin(pool: &PgPool, kind: &str) -> sqlx::Result<i64> {
    sqlx::query_scalar!("insert into erasure (kind) values ($1) returning erasure_id", kind).fetch_one(pool).await
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

/// How many erasures have to do with read models that may contain what was erased.
pub(crate) async fn unfinished(pool: &PgPool) -> sqlx::Result<i64> {
    sqlx::query_scalar!(r#"select count(*) as "count!" from erasure where finished_at is null and envelopes > 0"#)
        .fetch_one(pool)
        .await
}

/// Notes that read models were built from what is left, of all erasures that were waiting for that.
pub(crate) async fn finish(pool: &PgPool, built: GenerationId) -> sqlx::Result<()> {
    sqlx::query!(
        "update erasure set generation_id = $1, finished_at = now() where finished_at is null and envelopes > 0",
        built.0
    )
    .execute(pool)
    .await?;
    Ok(())
}
