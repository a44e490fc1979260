//! Which generation reports come from: decided here, done by the projectors that run.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use sqlx::{Connection, PgPool};
use tokio::time::{Instant, sleep};

use super::progress::CommandProgress;
use crate::cutover;
use crate::read_models::generation::{self, Generation, GenerationId, Status};

/// Between two looks at how far it is.
const LOOK_PAUSE: Duration = Duration::from_millis(250);

/// Time after which a generation that no projector builds is reported.
const NOBODY_AFTER: Duration = Duration::from_secs(5);

/// Which generation is to become active.
#[derive(Debug, Clone, clap::Args)]
pub struct Promote {
    /// Number of the generation, as `projector status` says.
    pub generation: i32,
    /// Return at once instead of waiting for it.
    #[arg(long)]
    pub detach: bool,
}

/// How to go back.
#[derive(Debug, Clone, clap::Args)]
pub struct Rollback {
    /// To this generation; the one that was active last unless given.
    #[arg(long)]
    pub to: Option<i32>,
    /// At once: reports are as old as that generation until it has caught up.
    #[arg(long)]
    pub now: bool,
    /// Return at once instead of waiting for it to catch up.
    #[arg(long)]
    pub detach: bool,
}

/// Has a generation made active, whatever the comparison says.
///
/// # Errors
///
/// There is no such generation, or it is none that can become active.
pub async fn promote(pool: &PgPool, options: Promote) -> anyhow::Result<ExitCode> {
    let generations = generation::list(pool).await?;
    let chosen = find(&generations, options.generation)?;
    match chosen.status {
        Status::Active => bail!("generation {} is active already", chosen.id),
        Status::Scratch => bail!("generation {} belongs to a verification", chosen.id),
        Status::Building | Status::Ready | Status::Retired => {}
    }
    request(pool, chosen.id).await?;
    println!("Generation {} becomes active once it has caught up.", chosen.id);
    if options.detach { Ok(ExitCode::SUCCESS) } else { wait(pool, chosen.id).await }
}

/// Goes back to a generation that was active before.
///
/// # Errors
///
/// There is none.
pub async fn rollback(pool: &PgPool, options: Rollback) -> anyhow::Result<ExitCode> {
    let generations = generation::list(pool).await?;
    let retired = || generations.iter().filter(|generation| generation.status == Status::Retired);
    let chosen = match options.to {
        Some(number) => find(&generations, number)?,
        None => retired().max_by_key(|generation| generation.retired_at).context("no generation was active before")?,
    };
    ensure!(chosen.status == Status::Retired, "generation {} is {}, not retired", chosen.id, chosen.status.name());
    if options.now {
        return at_once(pool, chosen.id).await;
    }
    request(pool, chosen.id).await?;
    println!("Generation {} becomes active again once it has caught up.", chosen.id);
    if options.detach { Ok(ExitCode::SUCCESS) } else { wait(pool, chosen.id).await }
}

/// Drops a generation that no report comes from.
///
/// # Errors
///
/// There is none, it is active, or a long report is in the way.
pub async fn drop(pool: &PgPool, number: i32) -> anyhow::Result<()> {
    let generations = generation::list(pool).await?;
    let chosen = find(&generations, number)?;
    ensure!(chosen.status != Status::Active, "generation {number} is active");
    let mut db = pool.acquire().await?;
    generation::drop(&mut db, chosen.id).await.context("dropping it; a report may be in the way, try again")?;
    println!("Dropped generation {number}.");
    Ok(())
}

/// Waits until a generation is active or ready. Failure means that it differs from the active one and waits for a
/// decision.
pub(super) async fn wait(pool: &PgPool, id: GenerationId) -> anyhow::Result<ExitCode> {
    let mut progress = CommandProgress::of("Building", 1, "envelopes");
    let mut seen_at = Instant::now();
    loop {
        let found = look(pool, id).await?.with_context(|| format!("generation {id} was dropped"))?;
        match found.status {
            Status::Building => {}
            Status::Active | Status::Ready => {
                progress.end();
                return Ok(found.tell(id));
            }
            other => bail!("generation {id} is {} now", other.name()),
        }
        progress.set(found.done, found.steps);
        if found.builders > 0 {
            seen_at = Instant::now();
        } else if seen_at.elapsed() > NOBODY_AFTER {
            seen_at = Instant::now();
            eprintln!("No projector builds generation {id}: one of its fold, key and window has to run.");
        }
        sleep(LOOK_PAUSE).await;
    }
}

/// A generation on its way.
struct Found {
    status: Status,
    done: u64,
    steps: u64,
    builders: u64,
    rows: Option<i64>,
    differences: Option<i64>,
}

impl Found {
    fn tell(&self, id: GenerationId) -> ExitCode {
        let compared = match (self.rows, self.differences) {
            (Some(rows), Some(0)) => format!("; {rows} rows were compared, nothing differs"),
            (Some(rows), Some(differences)) => format!("; {rows} rows were compared, {differences} differ"),
            _ => String::new(),
        };
        if self.status == Status::Active {
            println!("Generation {id} is active{compared}.");
            return ExitCode::SUCCESS;
        }
        println!("Generation {id} is ready{compared}. `projector promote {id}` activates it.");
        if self.differences.unwrap_or(0) > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

async fn look(pool: &PgPool, id: GenerationId) -> anyhow::Result<Option<Found>> {
    let generations = generation::list(pool).await?;
    let Some(generation) = generations.iter().find(|generation| generation.id == id) else { return Ok(None) };
    let row = sqlx::query!(
        r#"select compared_rows, compared_differences,
                (select coalesce(sum(stream_sequence), 0)::bigint from checkpoint
                 where checkpoint.generation_id = generation.generation_id) as "done!",
                (select coalesce(sum(stream_sequence), 0)::bigint from log_end) as "steps!",
                (select count(*) from projector_instance
                 where projector_instance.generation_id = generation.generation_id
                   and seen_at > now() - interval '5 seconds') as "builders!"
         from generation
         where generation_id = $1"#,
        id.0
    )
    .fetch_one(pool)
    .await?;
    Ok(Some(Found {
        status: generation.status,
        done: row.done.unsigned_abs(),
        steps: row.steps.unsigned_abs(),
        builders: row.builders.unsigned_abs(),
        rows: row.compared_rows,
        differences: row.compared_differences,
    }))
}

fn find(generations: &[Generation], number: i32) -> anyhow::Result<&Generation> {
    let found = generations.iter().find(|generation| generation.id.0 == number);
    found.with_context(|| format!("there is no generation {number}: see `projector status`"))
}

async fn request(pool: &PgPool, id: GenerationId) -> anyhow::Result<()> {
    let requested = sqlx::query!(
        "update generation
         set status = 'building', promotion = 'always', compared_rows = null, compared_differences = null
         where generation_id = $1 and status in ('building', 'ready', 'retired')",
        id.0
    )
    .execute(pool)
    .await?;
    ensure!(requested.rows_affected() == 1, "generation {id} has changed meanwhile");
    Ok(())
}

async fn at_once(pool: &PgPool, id: GenerationId) -> anyhow::Result<ExitCode> {
    let mut db = pool.acquire().await?;
    let mut tx = db.begin().await?;
    generation::lock(&mut tx).await?;
    let generations = generation::list(&mut *tx).await?;
    let active = generation::active(&generations).context("there is no active generation")?;
    let chosen = find(&generations, id.0)?;
    ensure!(chosen.status == Status::Retired, "generation {id} has changed meanwhile");
    cutover::swap(&mut tx, active.id, id).await?;
    tx.commit().await?;
    println!("Generation {id} is active, as old as it was. It catches up while a projector of its fold runs.");
    Ok(ExitCode::SUCCESS)
}
