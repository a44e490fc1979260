//! A slice that has no rows yet: all of them are copied, which costs a fraction of what it costs to look whether each is
//! there already.

use contract::{Digest, Sketch, TopPaths};
use fold::Deltas;
use sqlx::PgConnection;

use super::binary_copy::CopyRows;
use super::group_key::Group;
use super::referrers::host_or_empty;
use crate::read_models::bigint::as_bigint;
use crate::read_models::slice::Slice;

/// The statements for one grain: days, or all days.
struct Statements {
    views: &'static str,
    users: &'static str,
    referrers: &'static str,
    paths: &'static str,
}

const DAILY: Statements = Statements {
    views: "copy view_daily (generation_id, partition_id, site_id, event_type, day, views, top_paths)
            from stdin (format binary)",
    users: "copy user_daily (generation_id, partition_id, site_id, event_type, day, users, sketch)
            from stdin (format binary)",
    referrers: "copy referrer_daily (generation_id, partition_id, site_id, event_type, day, kind, host, views)
                from stdin (format binary)",
    paths: "copy path_daily (generation_id, partition_id, site_id, event_type, day, path, views)
            from stdin (format binary)",
};

const TOTAL: Statements = Statements {
    views: "copy view_total (generation_id, partition_id, site_id, event_type, views, top_paths)
            from stdin (format binary)",
    users: "copy user_total (generation_id, partition_id, site_id, event_type, users, sketch)
            from stdin (format binary)",
    referrers: "copy referrer_total (generation_id, partition_id, site_id, event_type, kind, host, views)
                from stdin (format binary)",
    paths: "copy path_total (generation_id, partition_id, site_id, event_type, path, views)
            from stdin (format binary)",
};

/// Writes all of it.
pub(super) async fn write(
    db: &mut PgConnection,
    slice: Slice,
    deltas: &Deltas,
    groups: &[Group<'_>],
) -> sqlx::Result<()> {
    let (daily, total) = groups.split_at(groups.partition_point(|group| group.day.is_some()));
    for (statements, groups) in [(&DAILY, daily), (&TOTAL, total)] {
        write_views(CopyRows::new(db, slice, statements.views), deltas, groups).await?;
        write_users(CopyRows::new(db, slice, statements.users), deltas, groups).await?;
        write_referrers(CopyRows::new(db, slice, statements.referrers), groups).await?;
        write_paths(CopyRows::new(db, slice, statements.paths), groups).await?;
    }
    Ok(())
}

async fn write_views(mut rows: CopyRows<'_>, deltas: &Deltas, groups: &[Group<'_>]) -> sqlx::Result<()> {
    for group in groups {
        let top_paths = deltas.keeps_top_paths().then(|| {
            let mut top_paths = TopPaths::default();
            top_paths.update(group.counts.paths());
            top_paths.to_json()
        });
        rows.row(group, 2).bigint(as_bigint(group.counts.views())).text_or_null(top_paths.as_deref());
        rows.send_if_full().await?;
    }
    rows.send().await
}

async fn write_users(mut rows: CopyRows<'_>, deltas: &Deltas, groups: &[Group<'_>]) -> sqlx::Result<()> {
    for group in groups {
        if let Some((users, sketch)) = sketch(deltas, &group.counts.users()) {
            rows.row(group, 2).bigint(users).bytes(&sketch);
            rows.send_if_full().await?;
        }
    }
    rows.send().await
}

async fn write_referrers(mut rows: CopyRows<'_>, groups: &[Group<'_>]) -> sqlx::Result<()> {
    for group in groups {
        for (referrer, views) in group.counts.referrers() {
            rows.row(group, 3).text(referrer.kind()).text(host_or_empty(referrer)).bigint(as_bigint(views));
            rows.send_if_full().await?;
        }
    }
    rows.send().await
}

async fn write_paths(mut rows: CopyRows<'_>, groups: &[Group<'_>]) -> sqlx::Result<()> {
    for group in groups {
        for (path, views) in group.counts.paths() {
            rows.row(group, 2).text(path).bigint(as_bigint(views));
            rows.send_if_full().await?;
        }
    }
    rows.send().await
}

/// What users count to, and their sketch, if there are any.
fn sketch(deltas: &Deltas, users: &[Digest]) -> Option<(i64, Vec<u8>)> {
    if users.is_empty() {
        return None;
    }
    let mut sketch = Sketch::new(deltas.key_id());
    for user in users {
        sketch.insert(*user);
    }
    let sealed = sketch.seal();
    Some((as_bigint(deltas.version().users(&sealed)), sealed.bytes))
}
