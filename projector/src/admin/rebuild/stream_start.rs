//! What is missing at the beginning of a stream: counted once and lost since, or acknowledged to be lost.

use sqlx::PgPool;

use crate::read_models::slice::Slice;
use crate::worker::acknowledged;
use event_log::stream::Stream;

/// The last sequence that is missing at the beginning of a stream and was counted in a generation; 0 where the stream is
/// whole, or where that generation went on without all that is missing, by decisions. Folded anew, it is gone without as
/// well.
pub(crate) async fn missing_until(pool: &PgPool, counted_in: Slice, stream: &Stream) -> anyhow::Result<u64> {
    let missing = stream.missing().await?;
    if missing.is_empty() {
        return Ok(0);
    }
    let gaps = acknowledged::gaps(pool, counted_in, stream).await?;
    Ok(acknowledged::last_unacknowledged(&missing, &gaps))
}
