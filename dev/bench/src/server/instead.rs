//! What one would write instead: a table, a row an event, and reports that count rows. No log, no replay, no repeats
//! recognised; on the other hand any question can be asked of it.

use anyhow::Result;
use axum::extract::{Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::{DateTime, Days, NaiveDate, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use service::ApiError;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

const CONNECTIONS: u32 = 32;

/// The obvious table with the obvious indexes.
pub(crate) const SCHEMA: &str = "
    create table event (
        id bigint generated always as identity primary key,
        site_id text not null, event_type text not null, path text not null, user_id text, happened_at timestamptz not null
    );
    create index event_site_time on event (site_id, happened_at);
    create index event_site_path on event (site_id, path);";

#[derive(Deserialize)]
struct Sent {
    site_id: String,
    event_type: String,
    path: String,
    user_id: Option<String>,
    timestamp: DateTime<Utc>,
}

#[derive(Deserialize)]
struct Asked {
    site_id: String,
    date: Option<NaiveDate>,
}

pub(crate) async fn run(port: u16) -> Result<()> {
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect(&super::database_url()?).await?;
    let router = Router::new().route("/event", post(insert)).route("/stats", get(stats)).with_state(pool);
    super::serve(port, router).await
}

async fn insert(State(pool): State<PgPool>, Json(event): Json<Sent>) -> Result<Json<Value>, ApiError> {
    sqlx::query("insert into event (site_id, event_type, path, user_id, happened_at) values ($1, $2, $3, $4, $5)")
        .bind(event.site_id)
        .bind(event.event_type)
        .bind(event.path)
        .bind(event.user_id)
        .bind(event.timestamp)
        .execute(&pool)
        .await
        .map_err(unavailable)?;
    Ok(Json(json!({ "success": true })))
}

async fn stats(State(pool): State<PgPool>, Query(asked): Query<Asked>) -> Result<Json<Value>, ApiError> {
    let (from, to) = (asked.date, asked.date.map(|day| day + Days::new(1)));
    let (views, users): (i64, i64) = sqlx::query_as(
        "select count(*), count(distinct user_id) from event
         where site_id = $1 and ($2::date is null or happened_at >= $2 and happened_at < $3::date)",
    )
    .bind(&asked.site_id)
    .bind(from)
    .bind(to)
    .fetch_one(&pool)
    .await
    .map_err(unavailable)?;
    let paths: Vec<(String, i64)> = sqlx::query_as(
        "select path, count(*) from event
         where site_id = $1 and ($2::date is null or happened_at >= $2 and happened_at < $3::date)
         group by path order by 2 desc, 1 limit 10",
    )
    .bind(&asked.site_id)
    .bind(from)
    .bind(to)
    .fetch_all(&pool)
    .await
    .map_err(unavailable)?;
    Ok(Json(json!({ "site_id": asked.site_id, "total_views": views, "unique_users": users, "top_paths": paths })))
}

fn unavailable(_: sqlx::Error) -> ApiError {
    ApiError::unavailable("database", "Postgres")
}
