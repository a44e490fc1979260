//! Health and metrics over HTTP.

use std::time::Duration;

use axum::Router;
use sqlx::PgPool;

use super::generations::Generations;
use crate::metrics;
use crate::read_models::migrate;

/// A database that takes longer is not ready.
const READINESS_TIMEOUT: Duration = Duration::from_secs(2);

/// The routes. Where there is something to fold and nothing was committed for `stall_max`, the process is not ready.
pub(crate) fn router(pool: PgPool, generations: Generations, stall_max: Duration) -> Router {
    let (sampled, connections) = (generations.clone(), pool.clone());
    let sample = move || {
        sampled.sample();
        metrics::connections(&connections);
    };
    let router = service::http::health::router(move || readiness(pool.clone(), generations.clone(), stall_max), sample);
    // After the line above, which installs the recorder that takes descriptions.
    metrics::describe();
    router
}

async fn readiness(pool: PgPool, generations: Generations, stall_max: Duration) -> Result<(), String> {
    match tokio::time::timeout(READINESS_TIMEOUT, migrate::is_in_place(&pool)).await {
        Ok(Ok(true)) => generations.readiness(stall_max),
        Ok(Ok(false)) => Err("the schema is not in place; run `projector migrate`".to_owned()),
        Ok(Err(err)) => {
            tracing::warn!(error = %err, "The database does not answer");
            Err("the database does not answer".to_owned())
        }
        Err(_) => Err("the database does not answer in time".to_owned()),
    }
}
