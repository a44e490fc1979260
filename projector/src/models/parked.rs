//! Events that could not be read: kept, and said.

use sqlx::PgConnection;

use crate::checkpoint::{Slice, as_bigint};
use crate::deltas::Deltas;

pub(super) async fn add(db: &mut PgConnection, slice: Slice, deltas: &Deltas) -> sqlx::Result<()> {
    if deltas.parked.is_empty() {
        return Ok(());
    }
    let parked = &deltas.parked;
    sqlx::query!(
        "insert into parked_event (generation_id, partition_id, stream_sequence, line, reason, logged_at, schema, event)
         select $1, $2, parked.*
         from unnest($3::bigint[], $4::int[], $5::text[], $6::timestamptz[], $7::text[], $8::bytea[]) as parked",
        slice.generation.0,
        slice.partition_id(),
        &parked.iter().map(|event| as_bigint(event.sequence)).collect::<Vec<_>>(),
        &parked.iter().map(|event| event.line).collect::<Vec<_>>(),
        &parked.iter().map(|event| event.reason.as_str()).collect::<Vec<_>>() as &[&str],
        &parked.iter().map(|event| event.logged_at).collect::<Vec<_>>(),
        &parked.iter().map(|event| event.schema.as_deref()).collect::<Vec<_>>() as &[Option<&str>],
        &parked.iter().map(|event| event.event.as_slice()).collect::<Vec<_>>() as &[&[u8]],
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
