//! The read models' part of an erasure. A sketch cannot forget one of its users, so everything is counted anew from what
//! is left of the log, beside the read models that reports come from; when these are exchanged, all others are dropped.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use sqlx::{Connection, PgPool};
use tokio::time::sleep;

use crate::admin::promote;
use crate::read_models::generation::{self, GenerationId, Promotion, Status};
use crate::worker::context::Context;

/// Tries to drop a generation, or to write a table anew: a report may be in the way.
const TRIES_MAX: u32 = 60;

/// Between two of them.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Builds new read models, waits until reports come from them, and drops all that were begun before.
pub(super) async fn build(context: &Context, throttle: Option<i32>) -> anyhow::Result<GenerationId> {
    let pool = &context.pool;
    drop_before(pool, GenerationId(i32::MAX)).await?;
    let id = begin(context, throttle).await?;
    println!(
        "Generation {id} is built from what is left, by the projectors that run; it will differ by what was erased."
    );
    promote::wait(pool, id).await?;
    drop_before(pool, id).await?;
    shed(pool).await?;
    Ok(id)
}

async fn begin(context: &Context, throttle: Option<i32>) -> anyhow::Result<GenerationId> {
    let mut db = context.pool.acquire().await?;
    let mut tx = db.begin().await?;
    generation::lock(&mut tx).await?;
    let generations = generation::list(&mut *tx).await?;
    let active = generation::active(&generations).context("there is no active generation")?;
    let id = generation::create(&mut tx, active.identity, Status::Building).await?;
    generation::set_up(&mut tx, id, Promotion::Always, throttle).await?;
    tx.commit().await?;
    Ok(id)
}

/// Drops every generation that was begun before this one, but for the one that reports come from.
async fn drop_before(pool: &PgPool, id: GenerationId) -> anyhow::Result<()> {
    for tries in 0.. {
        let generations = generation::list(pool).await?;
        let is_old = |old: &&generation::Generation| old.id < id && old.status != Status::Active;
        let Some(old) = generations.iter().find(is_old) else { break };
        let dropped = generation::drop(&mut *pool.acquire().await?, old.id).await;
        match dropped {
            Ok(()) => println!("Dropped generation {}, which was {}.", old.id, old.status.name()),
            Err(err) => {
                let doing = format!("dropping generation {}; a report may be in the way, run the same again", old.id);
                ensure!(tries < TRIES_MAX, anyhow::Error::new(err).context(doing));
                sleep(RETRY_PAUSE).await;
            }
        }
    }
    Ok(())
}

/// Has the tables that generations share written anew.
async fn shed(pool: &PgPool) -> anyhow::Result<()> {
    for tries in 0.. {
        match sqlx::query!("select shed_deleted_rows()").execute(pool).await {
            Ok(_) => break,
            Err(err) => {
                ensure!(tries < TRIES_MAX, anyhow::Error::new(err).context("writing tables anew; run the same again"));
                sleep(RETRY_PAUSE).await;
            }
        }
    }
    Ok(())
}
