//! A slice that has no rows yet: all of them are copied, which costs a fraction of what it costs to look whether each is
//! there already.

use contract::{Digest, Sketch, TopPaths};
use fold::{Deltas, Dimension, columns};
use sqlx::PgConnection;

use super::binary_copy::CopyRows;
use super::group_key::Group;
use crate::read_models::bigint::as_bigint;
use crate::read_models::slice::Slice;
use crate::read_models::tables;

/// Writes all of it.
pub(super) async fn write(
    db: &mut PgConnection,
    slice: Slice,
    deltas: &Deltas,
    groups: &[Group<'_>],
) -> sqlx::Result<()> {
    let (daily, total) = groups.split_at(groups.partition_point(|group| group.day.is_some()));
    for (grain, day, groups) in [("daily", "day, ", daily), ("total", "", total)] {
        let key = format!("generation_id, partition_id, site_id, event_type, {day}");
        let (views, users) =
            (format!("view_{grain} ({key}views, top_paths)"), format!("user_{grain} ({key}users, sketch)"));
        write_views(CopyRows::new(db, slice, &views), deltas, groups).await?;
        write_users(CopyRows::new(db, slice, &users), deltas, groups).await?;
    }
    for dimension in Dimension::ALL {
        for (model, groups) in tables::of(dimension).iter().zip([daily, total]) {
            let columns = [&["generation_id", "partition_id"], model.keys.as_slice(), &["views"]].concat().join(", ");
            let rows = CopyRows::new(db, slice, &format!("{} ({columns})", model.table));
            write_names(rows, dimension, groups).await?;
        }
    }
    Ok(())
}

async fn write_views(mut rows: CopyRows<'_>, deltas: &Deltas, groups: &[Group<'_>]) -> sqlx::Result<()> {
    for group in groups {
        let top_paths = deltas.keeps_top_paths().then(|| {
            let mut top_paths = TopPaths::default();
            top_paths.update(group.counts.names(Dimension::Path));
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

async fn write_names(mut rows: CopyRows<'_>, dimension: Dimension, groups: &[Group<'_>]) -> sqlx::Result<()> {
    let further = 1 + i16::try_from(tables::columns(dimension).len()).expect("a table has fewer columns");
    for group in groups {
        for (name, views) in group.counts.names(dimension) {
            rows.row(group, further);
            for column in columns(name) {
                rows.text(column);
            }
            rows.bigint(as_bigint(views));
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
