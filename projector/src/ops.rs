//! Health and metrics over HTTP. Reports are somebody else's business.

use std::time::Duration;

use axum::Router;
use sqlx::PgPool;

use crate::generations::Generations;
use crate::migrate;

/// A database that takes longer is not ready.
const READINESS_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) fn router(pool: PgPool, generations: Generations) -> Router {
    service::health::router(move || readiness(pool.clone(), generations.clone()))
}

async fn readiness(pool: PgPool, generations: Generations) -> Result<(), String> {
    match tokio::time::timeout(READINESS_TIMEOUT, migrate::is_in_place(&pool)).await {
        Ok(Ok(true)) => generations.readiness(),
        Ok(Ok(false)) => Err("the schema is not in place; run `projector migrate`".to_owned()),
        Ok(Err(err)) => Err(format!("the database does not answer: {err}")),
        Err(_) => Err("the database does not answer in time".to_owned()),
    }
}
