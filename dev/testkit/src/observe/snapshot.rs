//! Read models as text, to be compared: every row of every table, sorted, sketches byte by byte. What differs between
//! two rebuilds of the same log without meaning anything is left out: times of writing, owners of a checkpoint.

use std::collections::BTreeMap;

use anyhow::Result;
use sqlx::{AssertSqlSafe, PgPool, Row};

/// What a generation consists of, a statement a table.
const TABLES: [&str; 10] = [
    "select format('view_daily %s %s %s p%s: %s', site_id, event_type, day, partition_id, views) from view_daily",
    "select format('view_total %s %s p%s: %s', site_id, event_type, partition_id, views) from view_total",
    "select format('path_daily %s %s %s %s p%s: %s', site_id, event_type, day, path, partition_id, views) from path_daily",
    "select format('path_total %s %s %s p%s: %s', site_id, event_type, path, partition_id, views) from path_total",
    "select format('user_daily %s %s %s p%s: %s %s', site_id, event_type, day, partition_id, users, sketch) from user_daily",
    "select format('user_total %s %s p%s: %s %s', site_id, event_type, partition_id, users, sketch) from user_total",
    "select format('referrer_daily %s %s %s %s %s p%s: %s', site_id, event_type, day, kind, host, partition_id, views) from referrer_daily",
    "select format('referrer_total %s %s %s %s p%s: %s', site_id, event_type, kind, host, partition_id, views) from referrer_total",
    "select format('parked p%s: %s %s', partition_id, reason, event) from parked_event",
    "select format('repeats %s p%s: %s', site_id, partition_id, repeats) from repeat_total",
];

/// Reports come from it, whatever else is built or kept beside it.
const OF_THE_ACTIVE: &str = "generation_id = (select generation_id from generation where status = 'active')";

/// All rows of the active generation.
pub async fn read_models(pool: &PgPool) -> Result<Vec<String>> {
    let mut picture = Vec::new();
    for table in TABLES {
        let statement = AssertSqlSafe(format!("{table} where {OF_THE_ACTIVE}"));
        for row in sqlx::query(statement).fetch_all(pool).await? {
            picture.push(row.try_get(0)?);
        }
    }
    picture.sort();
    Ok(picture)
}

/// How often each path was counted, over all sites whose name begins so.
pub async fn views_by_path(pool: &PgPool, sites: &str) -> Result<BTreeMap<String, i64>> {
    let views = format!(
        "select path, sum(views)::bigint from path_total where starts_with(site_id, $1) and {OF_THE_ACTIVE} group by path"
    );
    let views: Vec<(String, i64)> = sqlx::query_as(AssertSqlSafe(views)).bind(sites).fetch_all(pool).await?;
    Ok(views.into_iter().collect())
}

/// Partition and sequence of every checkpoint of the active generation.
pub async fn checkpoints(pool: &PgPool) -> Result<Vec<(i32, i64)>> {
    let rows =
        format!("select partition_id, stream_sequence from checkpoint where {OF_THE_ACTIVE} order by partition_id");
    let rows = sqlx::query_as(AssertSqlSafe(rows));
    Ok(rows.fetch_all(pool).await?)
}
