//! Views per name of each dimension: of a day, and of all days. Paths have more of these rows than there are of all others
//! together. Dimensions that the fold does not count add nothing, so that their generations need not have the tables.

use std::sync::LazyLock;

use fold::{Dimension, columns};
use futures_util::TryStreamExt;
use sqlx::PgConnection;

use super::group_key::{Grains, Group, Keys};
use super::row_cache::State;
use crate::read_models::bigint::as_bigint;
use crate::read_models::error::CommitError;
use crate::read_models::slice::Slice;
use crate::read_models::tables::{self, Model};

/// Adds to all tables at once, because each statement costs as much as a hundred rows. Answers what each path has now, those
/// of days first, in the order that they are given in.
static STATEMENT: LazyLock<String> = LazyLock::new(|| {
    let mut numbers = 3..;
    let models = Dimension::ALL.into_iter().flat_map(tables::of);
    let inserts: Vec<_> = models.map(|model| insert(model, &mut numbers)).collect();
    format!(
        "with {} select path, views from new_path_daily union all select path, views from new_path_total",
        inserts.join(", ")
    )
});

/// Rows of one table.
#[derive(Default)]
struct Rows<'a> {
    keys: Keys<'a>,
    columns: Vec<Vec<&'a str>>,
    views: Vec<i64>,
}

/// Adds to all names, and takes what paths come to into the lists of top paths.
pub(super) async fn add(
    db: &mut PgConnection,
    slice: Slice,
    groups: &[Group<'_>],
    states: &mut [State],
) -> Result<(), CommitError> {
    let mut statement = sqlx::query_as(STATEMENT.as_str()).bind(slice.generation.0).bind(slice.partition_id());
    let mut paths = Vec::new();
    for dimension in Dimension::ALL {
        let names: Vec<_> = groups.iter().map(|group| group.counts.names(dimension)).collect();
        let mut rows = Grains { daily: Rows::of(dimension), total: Rows::of(dimension) };
        for (group, names) in groups.iter().zip(&names) {
            rows.of(group).push(group, names);
        }
        for (model, rows) in tables::of(dimension).iter().zip([rows.daily, rows.total]) {
            statement = statement.bind(rows.keys.site_id).bind(rows.keys.event_type);
            if model.has_key("day") {
                statement = statement.bind(rows.keys.day);
            }
            for column in rows.columns {
                statement = statement.bind(column);
            }
            statement = statement.bind(rows.views);
        }
        if dimension == Dimension::Path {
            paths = names;
        }
    }
    let mut added = statement.fetch(db);
    for (mut paths, state) in paths.into_iter().zip(states) {
        for (path, views) in &mut paths {
            let (added_path, now): (String, i64) = added.try_next().await?.ok_or(sqlx::Error::RowNotFound)?;
            assert_eq!(added_path, *path, "rows are inserted, and come back, in the order that they are given in");
            *views = u64::try_from(now).unwrap_or(0);
        }
        state.top_paths.update(paths);
    }
    // Nothing more comes, but the statement ends here.
    while added.try_next().await?.is_some() {}
    Ok(())
}

impl<'a> Rows<'a> {
    fn of(dimension: Dimension) -> Self {
        Self { columns: vec![Vec::new(); tables::columns(dimension).len()], ..Self::default() }
    }

    fn push(&mut self, group: &Group<'a>, names: &[(&'a str, u64)]) {
        for (name, views) in names {
            self.keys.push(group);
            for (column, text) in self.columns.iter_mut().zip(columns(name)) {
                column.push(text);
            }
            self.views.push(as_bigint(*views));
        }
    }
}

/// The part of the statement that adds to one table the rows of these parameters.
fn insert(model: &Model, numbers: &mut impl Iterator<Item = u32>) -> String {
    let (table, keys) = (&model.table, model.keys.join(", "));
    let types = model.keys.iter().map(|key| if *key == "day" { "date" } else { "text" }).chain(["bigint"]);
    let arrays: Vec<_> = types.zip(numbers).map(|(of, number)| format!("${number}::{of}[]")).collect();
    let returning = if model.has_key("path") { "returning path, views" } else { "" };
    format!(
        "new_{table} as (
             insert into {table} as known (generation_id, partition_id, {keys}, views)
             select $1, $2, added.* from unnest({}) as added
             on conflict (generation_id, {keys}, partition_id) do update set views = known.views + excluded.views
             {returning}
         )",
        arrays.join(", ")
    )
}
