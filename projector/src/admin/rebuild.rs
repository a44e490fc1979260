//! New read models, built beside the active ones by the projectors that run. This registers them and looks on.

/// What is missing at the beginning of a stream.
pub(super) mod stream_start;

use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use contract::Partition;
use sqlx::{Connection, PgConnection};

use super::promote;
use crate::read_models::bigint::as_bigint;
use crate::read_models::checkpoint;
use crate::read_models::generation::{self, Generation, GenerationId, Promotion, Status};
use crate::read_models::slice::Slice;
use crate::worker::context::Context;
use event_log::stream::Stream;
use event_log::streams;

/// What a rebuild is asked for.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Build no more than so many events a second, over all partitions, so that live counting and reports keep their
    /// speed.
    #[arg(long, value_name = "EVENTS_PER_SECOND", value_parser = clap::value_parser!(i32).range(1_000..))]
    pub throttle: Option<i32>,
    /// Leave it ready, to be looked at with `projector diff` first; `projector promote` activates it.
    #[arg(long)]
    pub no_promote: bool,
    /// Return at once instead of showing progress; the projectors go on either way.
    #[arg(long)]
    pub detach: bool,
    /// Build it although the log no longer begins at its first event: what was counted from there is not in it.
    #[arg(long, requires = "by")]
    pub accept_missing: bool,
    /// Name of the operator who accepts this; it is recorded.
    #[arg(long)]
    pub by: Option<String>,
    /// Refused: a generation is complete, or its totals are wrong. `projector verify` takes a site.
    #[arg(long, hide = true)]
    pub site: Option<String>,
    /// Refused, for the same reason.
    #[arg(long, hide = true)]
    pub from: Option<String>,
    /// Refused, for the same reason.
    #[arg(long, hide = true)]
    pub to: Option<String>,
}

/// A stream that does not begin at its first event.
struct Missing {
    slice: Partition,
    stream: Stream,
    /// Up to here.
    last: u64,
}

/// Registers a generation, and waits until it is what it is to be.
///
/// # Errors
///
/// The log or the database is unavailable, the log is incomplete, or the same is being built already.
pub(crate) async fn rebuild(context: &Context, options: Options) -> anyhow::Result<ExitCode> {
    ensure!(
        options.site.is_none() && options.from.is_none() && options.to.is_none(),
        "a rebuild is always of all sites and days: totals over all time are sums over all of the log, and a generation \
         is switched to as a whole. `projector verify` takes --site, --from and --to"
    );
    let mut db = context.pool.acquire().await?;
    let mut tx = db.begin().await?;
    // The log is looked at under the lock: nothing is trimmed meanwhile that the new generation begins with.
    generation::lock(&mut tx).await?;
    let missing = missing(context).await?;
    if !options.accept_missing {
        refuse(&missing)?;
    }
    let generations = generation::list(&mut *tx).await?;
    check(&generations, context)?;
    let id = generation::create(&mut tx, context.supported.newest, Status::Building).await?;
    generation::set_up(&mut tx, id, promotion(&options), options.throttle).await?;
    for missing in &missing {
        accept(&mut tx, id, missing, options.by.as_deref().unwrap_or_default()).await?;
    }
    tx.commit().await?;
    println!("Generation {id} is built by the projectors that run: {}.", context.supported.newest);
    if options.detach { Ok(ExitCode::SUCCESS) } else { promote::wait(&context.pool, id).await }
}

fn check(generations: &[Generation], context: &Context) -> anyhow::Result<()> {
    ensure!(generation::active(generations).is_some(), "there is no active generation; the first projector makes it");
    let newest = context.supported.newest;
    let same = generations.iter().find(|known| known.identity == newest && known.status == Status::Building);
    match same {
        Some(same) => bail!(
            "generation {} is being built already, of the same fold, key and window: see `projector status`, or drop it \
             with `projector drop {}`",
            same.id,
            same.id
        ),
        None => Ok(()),
    }
}

async fn missing(context: &Context) -> anyhow::Result<Vec<Missing>> {
    let generations = generation::list(&context.pool).await?;
    let active =
        generation::active(&generations).context("there is no active generation; the first projector makes it")?;
    let mut missing = Vec::new();
    for partition in streams::partitions(&context.jetstream).await? {
        let stream = Stream::find(&context.jetstream, partition).await?;
        let counted_in = Slice { generation: active.id, partition };
        let last = stream_start::missing_until(&context.pool, counted_in, &stream).await?;
        if last > 0 {
            missing.push(Missing { slice: partition, stream, last });
        }
    }
    Ok(missing)
}

fn refuse(missing: &[Missing]) -> anyhow::Result<()> {
    let Some(Missing { slice, last, .. }) = missing.first() else { return Ok(()) };
    bail!(
        "the log of partition {slice} begins at sequence {}: what was counted from sequences 1 to {last} could not be \
         counted again, and would be missing from every report. Restore the stream from a backup, or accept that with \
         --accept-missing --by NAME",
        last + 1
    )
}

fn promotion(options: &Options) -> Promotion {
    match (options.no_promote, options.accept_missing) {
        (true, _) => Promotion::ByHand,
        // It cannot be equal to what was counted from a complete log.
        (false, true) => Promotion::Always,
        (false, false) => Promotion::IfEqual,
    }
}

/// Begins a partition behind what is missing, and records who said so.
async fn accept(db: &mut PgConnection, id: GenerationId, missing: &Missing, by: &str) -> anyhow::Result<()> {
    ensure!(!by.trim().is_empty(), "--by must say who accepts this");
    let slice = Slice { generation: id, partition: missing.slice };
    checkpoint::create_at(&mut *db, slice, missing.last, missing.stream.created).await?;
    sqlx::query!(
        "insert into acknowledgement
             (generation_id, partition_id, stream_created, from_sequence, to_sequence, reason, acknowledged_by)
         values ($1, $2, $3, 1, $4, 'rebuilt from a log that begins behind its first event', $5)",
        id.0,
        slice.partition_id(),
        missing.stream.created,
        as_bigint(missing.last),
        by,
    )
    .execute(db)
    .await?;
    Ok(())
}
