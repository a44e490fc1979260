//! A baseline of `query`: its server with as many connections to Postgres as query has, which asks it for nothing.

use anyhow::Result;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use service::ApiError;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

/// As query has by default.
const CONNECTIONS: u32 = 8;

pub(crate) async fn run(port: u16) -> Result<()> {
    let options = PgPoolOptions::new().max_connections(CONNECTIONS).test_before_acquire(false);
    let pool = options.connect(&super::database_url()?).await?;
    super::serve(port, Router::new().route("/stats", get(select)).with_state(pool)).await
}

async fn select(State(pool): State<PgPool>) -> Result<Json<Value>, ApiError> {
    let one: i32 = sqlx::query_scalar("select 1")
        .fetch_one(&pool)
        .await
        .map_err(|_| ApiError::unavailable("database", "Postgres"))?;
    Ok(Json(json!({ "one": one })))
}
