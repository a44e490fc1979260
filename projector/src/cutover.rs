//! From one generation to another. A generation that was built behind the active one is brought to the same place,
//! compared, and made active in one transaction. Any projector that can build it does this; a lock on its row sees to
//! it that only one does at a time.

/// Both at one place, and compared there.
mod compare_at;

/// Reports that began before the generation.
mod drain_readers;

/// Drops generations that are not needed any more.
mod gc;

use std::time::Duration;

use anyhow::Context as _;
use sqlx::{Connection, PgConnection, PgPool};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::read_models::compare::Comparison;
use crate::read_models::generation::{self, Generation, GenerationId, Promotion, Status};
use crate::worker::acknowledged;
use crate::worker::context::Context;
pub(crate) use compare_at::{Positions, hold, positions};

/// Interval at which the cutover looks for a generation to switch to.
const LOOK_PAUSE: Duration = Duration::from_millis(250);

/// Interval at which the cutover reads how far the other generation is.
const STEP_PAUSE: Duration = Duration::from_millis(20);

/// The active generation's commits wait for so long at most while the other one comes up to it. Less than a lease.
const PIN_MAX: Duration = Duration::from_secs(1);

/// Brings generations that have caught up to the end that they were built for, until `shutdown`.
pub(crate) async fn run(context: Context, kept: u32, shutdown: CancellationToken) -> anyhow::Result<()> {
    loop {
        let attended = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            attended = run_once(&context, kept) => attended,
        };
        if let Err(err) = attended {
            tracing::debug!(error = format!("{err:#}"), "Cannot look after the generations");
        }
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            () = sleep(LOOK_PAUSE) => {}
        }
    }
}

async fn run_once(context: &Context, kept: u32) -> anyhow::Result<()> {
    let pool = &context.pool;
    let generations = generation::list(pool).await?;
    let Some(active) = generation::active(&generations) else { return Ok(()) };
    for built in generations.iter().filter(|generation| generation.status == Status::Building) {
        if context.supported.include(&built.identity) {
            let finished = finish(pool, active, built).await;
            finished.with_context(|| format!("finishing generation {}", built.id))?;
        }
    }
    gc::drop(pool, &generations, kept).await
}

/// Compares a generation that has caught up, and activates it or leaves it ready.
async fn finish(pool: &PgPool, active: &Generation, built: &Generation) -> anyhow::Result<()> {
    let Some(comparison) = compare_at::compare(pool, active, built).await? else { return Ok(()) };
    let is_wrong = active.identity == built.identity && comparison.differences > 0;
    let promoted = match built.promotion {
        Promotion::Always => true,
        // Folds may differ, but reports lose nothing that the log has lost unless an operator promotes that.
        Promotion::IfEqual => !is_wrong && !acknowledged::lacks_more(pool, built, active).await?,
        Promotion::ByHand => false,
    };
    tell(built.id, comparison, promoted);
    if promoted { activate(pool, active.id, built.id).await } else { set_ready(pool, built.id).await }
}

fn tell(id: GenerationId, Comparison { rows, differences }: Comparison, promoted: bool) {
    let (id, next) = (id.0, if promoted { "is activated" } else { "waits for `projector promote`" });
    if differences > 0 {
        tracing::warn!(generation.id = id, rows, differences, next, "Compared a generation: it differs");
    } else {
        tracing::info!(generation.id = id, rows, next, "Compared a generation: nothing differs");
    }
}

/// Makes a generation the active one, in one transaction and at one place: what a report says before and after it
/// contains the same events.
async fn activate(pool: &PgPool, from: GenerationId, to: GenerationId) -> anyhow::Result<()> {
    let begun = Instant::now();
    let switched = try_activate(pool, from, to).await;
    hold(pool, to, None).await?;
    if switched? {
        tracing::info!(generation.id = to.0, duration_ms = begun.elapsed().as_millis(), "Switched to generation");
    }
    Ok(())
}

async fn try_activate(pool: &PgPool, from: GenerationId, to: GenerationId) -> anyhow::Result<bool> {
    let mut db = pool.acquire().await?;
    drain_readers::wait_for(&mut db).await?;
    let mut tx = db.begin().await?;
    // Once it is told, it must not be lost in a crash.
    sqlx::query!("set local synchronous_commit = on").execute(&mut *tx).await?;
    generation::lock(&mut tx).await?;
    let generations = generation::list(&mut *tx).await?;
    let is = |id, status| generations.iter().any(|generation| generation.id == id && generation.status == status);
    if !is(from, Status::Active) || !is(to, Status::Building) {
        return Ok(false);
    }
    let pinned = pin(&mut tx, from).await?;
    hold(pool, to, Some(&pinned)).await?;
    let deadline = Instant::now() + PIN_MAX;
    while !positions(&mut tx, to).await?.has_reached(&pinned) {
        if Instant::now() > deadline {
            return Ok(false);
        }
        sleep(STEP_PAUSE).await;
    }
    swap(&mut tx, from, to).await?;
    tx.commit().await?;
    Ok(true)
}

/// Keeps a generation where it is until the transaction ends.
async fn pin(db: &mut PgConnection, id: GenerationId) -> sqlx::Result<Positions> {
    sqlx::query!("select partition_id from checkpoint where generation_id = $1 order by partition_id for update", id.0)
        .fetch_all(&mut *db)
        .await?;
    positions(db, id).await
}

/// Reports come from `to` once this is committed, and listeners are notified.
pub(crate) async fn swap(db: &mut PgConnection, from: GenerationId, to: GenerationId) -> sqlx::Result<()> {
    sqlx::query!("update generation set status = 'retired', retired_at = now() where generation_id = $1", from.0)
        .execute(&mut *db)
        .await?;
    sqlx::query!(
        "update generation set status = 'active', activated_at = now(), retired_at = null where generation_id = $1
         returning pg_notify('projection', generation_id::text)",
        to.0
    )
    .fetch_optional(&mut *db)
    .await?;
    // A holder that dies keeps it until its connection ends.
    sqlx::query!("update checkpoint set ceiling = null where generation_id = $1 and ceiling is not null", to.0)
        .execute(db)
        .await?;
    Ok(())
}

async fn set_ready(pool: &PgPool, id: GenerationId) -> anyhow::Result<()> {
    sqlx::query!("update generation set status = 'ready' where generation_id = $1 and status = 'building'", id.0)
        .execute(pool)
        .await?;
    Ok(())
}
