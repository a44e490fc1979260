//! A slice that has no rows yet: all of them are copied, which costs a fraction of what it costs to look whether each is
//! there already.

use contract::{Digest, KeyId, Sketch};
use sqlx::PgConnection;

use super::copy::CopyRows;
use super::referrers::host_or_empty;
use super::{Daily, Total};
use crate::checkpoint::{Slice, as_bigint};

/// Writes everything by day.
pub(super) async fn write_daily(
    db: &mut PgConnection,
    slice: Slice,
    key_id: KeyId,
    daily: &Daily<'_>,
) -> sqlx::Result<()> {
    let views = "copy view_daily (generation_id, partition_id, site_id, event_type, day, views)
                 from stdin (format binary)";
    let mut rows = CopyRows::new(db, slice, views, 4);
    for (site, kind, day, counts) in daily {
        rows.row().text(site).text(kind).day(*day).bigint(as_bigint(counts.views()));
        rows.send_if_full().await?;
    }
    rows.send().await?;

    let users = "copy user_daily (generation_id, partition_id, site_id, event_type, day, users, sketch)
                 from stdin (format binary)";
    let mut rows = CopyRows::new(db, slice, users, 5);
    for (site, kind, day, counts) in daily {
        if let Some((users, sketch)) = sketch(key_id, &counts.users()) {
            rows.row().text(site).text(kind).day(*day).bigint(users).bytes(&sketch);
            rows.send_if_full().await?;
        }
    }
    rows.send().await?;

    let referrers = "copy referrer_daily (generation_id, partition_id, site_id, event_type, day, kind, host, views)
                     from stdin (format binary)";
    let mut rows = CopyRows::new(db, slice, referrers, 6);
    for (site, kind, day, counts) in daily {
        for (referrer, views) in counts.referrers() {
            rows.row().text(site).text(kind).day(*day);
            rows.text(referrer.kind()).text(host_or_empty(referrer)).bigint(as_bigint(views));
            rows.send_if_full().await?;
        }
    }
    rows.send().await?;

    let paths = "copy path_daily (generation_id, partition_id, site_id, event_type, day, path, views)
                 from stdin (format binary)";
    let mut rows = CopyRows::new(db, slice, paths, 5);
    for (site, kind, day, counts) in daily {
        for (path, views) in counts.paths() {
            rows.row().text(site).text(kind).day(*day).text(path).bigint(as_bigint(views));
            rows.send_if_full().await?;
        }
    }
    rows.send().await
}

/// Writes the same of all days together.
pub(super) async fn write_total(
    db: &mut PgConnection,
    slice: Slice,
    key_id: KeyId,
    total: &Total<'_>,
) -> sqlx::Result<()> {
    let views = "copy view_total (generation_id, partition_id, site_id, event_type, views)
                 from stdin (format binary)";
    let mut rows = CopyRows::new(db, slice, views, 3);
    for (site, kind, counts) in total {
        rows.row().text(site).text(kind).bigint(as_bigint(counts.views()));
        rows.send_if_full().await?;
    }
    rows.send().await?;

    let users = "copy user_total (generation_id, partition_id, site_id, event_type, users, sketch)
                 from stdin (format binary)";
    let mut rows = CopyRows::new(db, slice, users, 4);
    for (site, kind, counts) in total {
        if let Some((users, sketch)) = sketch(key_id, &counts.users()) {
            rows.row().text(site).text(kind).bigint(users).bytes(&sketch);
            rows.send_if_full().await?;
        }
    }
    rows.send().await?;

    let referrers = "copy referrer_total (generation_id, partition_id, site_id, event_type, kind, host, views)
                     from stdin (format binary)";
    let mut rows = CopyRows::new(db, slice, referrers, 5);
    for (site, kind, counts) in total {
        for (referrer, views) in counts.referrers() {
            rows.row().text(site).text(kind);
            rows.text(referrer.kind()).text(host_or_empty(referrer)).bigint(as_bigint(views));
            rows.send_if_full().await?;
        }
    }
    rows.send().await?;

    let paths = "copy path_total (generation_id, partition_id, site_id, event_type, path, views)
                 from stdin (format binary)";
    let mut rows = CopyRows::new(db, slice, paths, 4);
    for (site, kind, counts) in total {
        for (path, views) in counts.paths() {
            rows.row().text(site).text(kind).text(path).bigint(as_bigint(views));
            rows.send_if_full().await?;
        }
    }
    rows.send().await
}

/// What users count to, and their sketch, if there are any.
fn sketch(key_id: KeyId, users: &[Digest]) -> Option<(i64, Vec<u8>)> {
    if users.is_empty() {
        return None;
    }
    let mut sketch = Sketch::new(key_id);
    for user in users {
        sketch.insert(*user);
    }
    let sealed = sketch.seal();
    Some((as_bigint(sealed.users), sealed.bytes))
}
