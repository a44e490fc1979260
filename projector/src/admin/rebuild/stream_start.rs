//! What is missing at the beginning of a stream: counted once and lost since, or acknowledged to be lost.

use sqlx::PgPool;

use crate::read_models::bigint::as_bigint;
use crate::read_models::slice::Slice;
use event_log::stream::Stream;

/// The last sequence that is missing at the beginning of a stream and was counted in a generation; 0 where the stream is
/// whole, or where that generation went on without what is missing, by a decision. Folded anew, it is gone without as well.
///
/// # Errors
///
/// The log or the database is away.
pub(crate) async fn missing_until(pool: &PgPool, counted_in: Slice, stream: &Stream) -> anyhow::Result<u64> {
    let last = stream.missing_until().await?;
    if last == 0 {
        return Ok(0);
    }
    let is_acknowledged = sqlx::query_scalar!(
        r#"select exists (select from acknowledgement
                          where generation_id = $1 and partition_id = $2 and stream_created = $3
                            and from_sequence = 1 and to_sequence = $4)
           as "is_acknowledged!""#,
        counted_in.generation.0,
        counted_in.partition_id(),
        stream.created,
        as_bigint(last),
    )
    .fetch_one(pool)
    .await?;
    Ok(if is_acknowledged { 0 } else { last })
}
