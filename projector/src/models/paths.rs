//! Views per path: of a day, and of all days.

use sqlx::PgConnection;

use crate::checkpoint::{Slice, as_bigint};
use crate::deltas::Deltas;

pub(super) async fn add_daily(db: &mut PgConnection, slice: Slice, deltas: &Deltas) -> sqlx::Result<()> {
    let (mut site_id, mut event_type, mut day, mut path, mut views) = (vec![], vec![], vec![], vec![], vec![]);
    for (site, kind, date, counts) in deltas.daily() {
        for (name, count) in &counts.paths {
            site_id.push(site);
            event_type.push(kind);
            day.push(date);
            path.push(name.as_str());
            views.push(as_bigint(*count));
        }
    }
    if views.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into path_daily as known (generation_id, partition_id, site_id, event_type, day, path, views)
         select $1, $2, added.*
         from unnest($3::text[], $4::text[], $5::date[], $6::text[], $7::bigint[]) as added
         on conflict (generation_id, site_id, event_type, day, path, partition_id)
         do update set views = known.views + excluded.views",
        slice.generation.0,
        slice.partition_id(),
        &site_id as &[&str],
        &event_type as &[&str],
        &day,
        &path as &[&str],
        &views,
    )
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn add_total(db: &mut PgConnection, slice: Slice, deltas: &Deltas) -> sqlx::Result<()> {
    let totals: Vec<_> = deltas.total().collect();
    let (mut site_id, mut event_type, mut path, mut views) = (vec![], vec![], vec![], vec![]);
    for (site, kind, counts) in &totals {
        for (name, count) in &counts.paths {
            site_id.push(*site);
            event_type.push(*kind);
            path.push(name.as_str());
            views.push(as_bigint(*count));
        }
    }
    if views.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into path_total as known (generation_id, partition_id, site_id, event_type, path, views)
         select $1, $2, added.* from unnest($3::text[], $4::text[], $5::text[], $6::bigint[]) as added
         on conflict (generation_id, site_id, event_type, path, partition_id)
         do update set views = known.views + excluded.views",
        slice.generation.0,
        slice.partition_id(),
        &site_id as &[&str],
        &event_type as &[&str],
        &path as &[&str],
        &views,
    )
    .execute(db)
    .await?;
    Ok(())
}
