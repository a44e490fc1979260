//! Events that could not be read: kept, and said.

use fold::Parked;
use sqlx::PgConnection;

use crate::read_models::bigint::as_bigint;
use crate::read_models::slice::Slice;

/// Keeps events of the stream that the checkpoint is about.
pub(super) async fn add(db: &mut PgConnection, slice: Slice, parked: &[Parked]) -> sqlx::Result<()> {
    if parked.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into parked_event (generation_id, partition_id, stream_created, stream_sequence, line, reason, logged_at,
                                   schema, event, log_slot)
         select $1, $2, (select stream_created from checkpoint where generation_id = $1 and partition_id = $2), parked.*
         from unnest($3::bigint[], $4::int[], $5::text[], $6::timestamptz[], $7::text[], $8::bytea[],
                     $9::bigint[]) as parked",
        slice.generation.0,
        slice.partition_id(),
        &parked.iter().map(|event| as_bigint(event.sequence)).collect::<Vec<_>>(),
        &parked.iter().map(|event| event.line).collect::<Vec<_>>(),
        &parked.iter().map(|event| event.reason.as_str()).collect::<Vec<_>>() as &[&str],
        &parked.iter().map(|event| event.logged_at).collect::<Vec<_>>(),
        &parked.iter().map(|event| event.schema.as_deref()).collect::<Vec<_>>() as &[Option<&str>],
        &parked.iter().map(|event| event.event.as_slice()).collect::<Vec<_>>() as &[&[u8]],
        &parked.iter().map(|event| event.log_slot.map(as_bigint)).collect::<Vec<_>>() as &[Option<i64>],
    )
    .execute(db)
    .await?;
    let first = &parked[0];
    tracing::warn!(
        partition = slice.partition.number(),
        stream.sequence = first.sequence,
        line = first.line,
        reason = first.reason,
        events = parked.len(),
        "Parked events that cannot be read; the first is named here, all are in table parked_event"
    );
    Ok(())
}
