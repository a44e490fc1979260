//! Views per referrer: of a day, and of all days. Folds that count none add nothing, so that their generations need not
//! have the tables.

use contract::Referrer;
use contract::referrer::Host;
use sqlx::PgConnection;

use super::{Daily, Total};
use crate::checkpoint::{Slice, as_bigint};

pub(super) async fn add_daily(db: &mut PgConnection, slice: Slice, daily: &Daily<'_>) -> sqlx::Result<()> {
    let (mut site_id, mut event_type, mut day) = (vec![], vec![], vec![]);
    let (mut kind, mut host, mut views) = (vec![], vec![], vec![]);
    for (site, event, date, counts) in daily {
        for (referrer, count) in counts.referrers() {
            site_id.push(*site);
            event_type.push(*event);
            day.push(*date);
            kind.push(referrer.kind());
            host.push(host_or_empty(referrer));
            views.push(as_bigint(count));
        }
    }
    if views.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into referrer_daily as known
             (generation_id, partition_id, site_id, event_type, day, kind, host, views)
         select $1, $2, added.*
         from unnest($3::text[], $4::text[], $5::date[], $6::text[], $7::text[], $8::bigint[]) as added
         on conflict (generation_id, site_id, event_type, day, kind, host, partition_id)
         do update set views = known.views + excluded.views",
        slice.generation.0,
        slice.partition_id(),
        &site_id as &[&str],
        &event_type as &[&str],
        &day,
        &kind as &[&str],
        &host as &[&str],
        &views,
    )
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn add_total(db: &mut PgConnection, slice: Slice, total: &Total<'_>) -> sqlx::Result<()> {
    let (mut site_id, mut event_type) = (vec![], vec![]);
    let (mut kind, mut host, mut views) = (vec![], vec![], vec![]);
    for (site, event, counts) in total {
        for (referrer, count) in counts.referrers() {
            site_id.push(*site);
            event_type.push(*event);
            kind.push(referrer.kind());
            host.push(host_or_empty(referrer));
            views.push(as_bigint(count));
        }
    }
    if views.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into referrer_total as known (generation_id, partition_id, site_id, event_type, kind, host, views)
         select $1, $2, added.*
         from unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[]) as added
         on conflict (generation_id, site_id, event_type, kind, host, partition_id)
         do update set views = known.views + excluded.views",
        slice.generation.0,
        slice.partition_id(),
        &site_id as &[&str],
        &event_type as &[&str],
        &kind as &[&str],
        &host as &[&str],
        &views,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A column of a key has no null.
pub(super) fn host_or_empty(referrer: &Referrer) -> &str {
    referrer.host().map_or("", Host::as_str)
}
