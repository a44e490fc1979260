//! Views per path: of a day, and of all days. There are more of these rows than of all others together.

use futures_util::TryStreamExt;
use sqlx::PgConnection;

use super::group_key::{Grains, Group, Keys};
use super::row_cache::State;
use crate::read_models::bigint::as_bigint;
use crate::read_models::error::CommitError;
use crate::read_models::slice::Slice;

/// Rows of one grain.
#[derive(Default)]
struct Rows<'a> {
    keys: Keys<'a>,
    path: Vec<&'a str>,
    views: Vec<i64>,
}

/// Adds to all paths, and takes what they come to into the lists of top paths.
pub(super) async fn add(
    db: &mut PgConnection,
    slice: Slice,
    groups: &[Group<'_>],
    states: &mut [State],
) -> Result<(), CommitError> {
    let paths: Vec<_> = groups.iter().map(|group| group.counts.paths()).collect();
    let mut rows = Grains::<Rows<'_>>::default();
    for (group, paths) in groups.iter().zip(&paths) {
        let rows = rows.of(group);
        for (path, views) in paths {
            rows.keys.push(group);
            rows.path.push(path);
            rows.views.push(as_bigint(*views));
        }
    }
    let Grains { daily, total } = rows;
    let mut added = sqlx::query_file!(
        "src/read_models/write/paths.sql",
        slice.generation.0,
        slice.partition_id(),
        &daily.keys.site_id as &[&str],
        &daily.keys.event_type as &[&str],
        &daily.keys.day,
        &daily.path as &[&str],
        &daily.views,
        &total.keys.site_id as &[&str],
        &total.keys.event_type as &[&str],
        &total.path as &[&str],
        &total.views,
    )
    .fetch(db);
    for (mut paths, state) in paths.into_iter().zip(states) {
        for (path, views) in &mut paths {
            let row = added.try_next().await?.ok_or(sqlx::Error::RowNotFound)?;
            assert_eq!(row.path, *path, "rows are inserted, and come back, in the order that they are given in");
            *views = u64::try_from(row.views).unwrap_or(0);
        }
        state.top_paths.update(paths);
    }
    // Nothing more comes, but the statement ends here.
    while added.try_next().await?.is_some() {}
    Ok(())
}
