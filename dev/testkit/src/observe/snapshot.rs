//! Read models as text, to be compared: every row of every table, sorted, sketches byte by byte. What differs between
//! two rebuilds of the same log without meaning anything is left out: times of writing, owners of a checkpoint.

use std::collections::BTreeMap;

use anyhow::Result;
use sqlx::{AssertSqlSafe, PgPool};

/// Tables that are a function of the log: summaries of months are written when there is time.
const TABLES: &str = "
    select relname::text
    from pg_partitioned_table
    join pg_class on pg_class.oid = partrelid
    where relnamespace = 'public'::regnamespace and relname <> 'month_summary'
    union all values ('repeat_total')";

/// A parked event is told by what it is: its place in the log depends on how events were put into envelopes.
const PARKED: &str = "select format('parked p%s: %s %s', partition_id, reason, event) from parked_event";

/// Reports come from it, whatever else is built or kept beside it.
const OF_THE_ACTIVE: &str = "generation_id = (select generation_id from generation where status = 'active')";

/// All rows of the active generation.
pub async fn read_models(pool: &PgPool) -> Result<Vec<String>> {
    let tables: Vec<String> = sqlx::query_scalar(TABLES).fetch_all(pool).await?;
    let row = |table| format!("select format('{table} %s', to_jsonb(known) - 'generation_id') from {table} as known");
    let mut picture = Vec::new();
    for rows in tables.iter().map(row).chain([PARKED.to_owned()]) {
        let statement = AssertSqlSafe(format!("{rows} where {OF_THE_ACTIVE}"));
        picture.extend(sqlx::query_scalar::<_, String>(statement).fetch_all(pool).await?);
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
