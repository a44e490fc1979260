//! Views per site, event type and day, and per site and event type.

use sqlx::PgConnection;

use super::{Daily, Total};
use crate::checkpoint::{Slice, as_bigint};

pub(super) async fn add_daily(db: &mut PgConnection, slice: Slice, daily: &Daily<'_>) -> sqlx::Result<()> {
    let (mut site_id, mut event_type, mut day, mut views) = (vec![], vec![], vec![], vec![]);
    for (site, kind, date, counts) in daily {
        site_id.push(*site);
        event_type.push(*kind);
        day.push(*date);
        views.push(as_bigint(counts.views()));
    }
    sqlx::query!(
        "insert into view_daily as known (generation_id, partition_id, site_id, event_type, day, views)
         select $1, $2, added.* from unnest($3::text[], $4::text[], $5::date[], $6::bigint[]) as added
         on conflict (generation_id, site_id, event_type, day, partition_id)
         do update set views = known.views + excluded.views",
        slice.generation.0,
        slice.partition_id(),
        &site_id as &[&str],
        &event_type as &[&str],
        &day,
        &views,
    )
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn add_total(db: &mut PgConnection, slice: Slice, total: &Total<'_>) -> sqlx::Result<()> {
    let (mut site_id, mut event_type, mut views) = (vec![], vec![], vec![]);
    for (site, kind, counts) in total {
        site_id.push(*site);
        event_type.push(*kind);
        views.push(as_bigint(counts.views()));
    }
    sqlx::query!(
        "insert into view_total as known (generation_id, partition_id, site_id, event_type, views)
         select $1, $2, added.* from unnest($3::text[], $4::text[], $5::bigint[]) as added
         on conflict (generation_id, site_id, event_type, partition_id)
         do update set views = known.views + excluded.views",
        slice.generation.0,
        slice.partition_id(),
        &site_id as &[&str],
        &event_type as &[&str],
        &views,
    )
    .execute(db)
    .await?;
    Ok(())
}
