//! Events that were not counted, per site, because they came again.

use fold::Deltas;
use sqlx::PgConnection;

use crate::read_models::bigint::as_bigint;
use crate::read_models::slice::Slice;

pub(super) async fn add(db: &mut PgConnection, slice: Slice, deltas: &Deltas) -> sqlx::Result<()> {
    if deltas.repeats.is_empty() {
        return Ok(());
    }
    let site_id: Vec<&str> = deltas.repeats.keys().map(String::as_str).collect();
    let repeats: Vec<i64> = deltas.repeats.values().map(|repeats| as_bigint(*repeats)).collect();
    sqlx::query!(
        "insert into repeat_total as known (generation_id, partition_id, site_id, repeats)
         select $1, $2, added.* from unnest($3::text[], $4::bigint[]) as added
         on conflict (generation_id, site_id, partition_id)
         do update set repeats = known.repeats + excluded.repeats",
        slice.generation.0,
        slice.partition_id(),
        &site_id as &[&str],
        &repeats,
    )
    .execute(db)
    .await?;
    Ok(())
}
