//! Erasing a site's or a user's events: from the log, then from the read models, by building new ones from what is left
//! and dropping all others; and the proof that nothing is left. Run again after whatever stopped it, it goes on.

mod log;

mod rebuild;

mod files;

mod subject;

pub(crate) mod redactor;

mod audit;

mod residue;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};

use super::progress::CommandProgress;
use super::rebuild::stream_start;
use super::scope_args::ScopeArgs;
use super::verify;
use crate::read_models::generation::{self, GenerationId};
use crate::read_models::slice::Slice;
use crate::worker::context::Context;
use event_log::archive::{self, Lock};
use event_log::stream::Stream;
use event_log::streams;
use residue::Ends;
use subject::Subject;

/// What is to be erased.
#[derive(Clone, clap::Args)]
pub struct Options {
    /// Site whose events are erased.
    #[arg(long)]
    pub site: String,
    /// Only events with this `user_id`, byte by byte.
    #[arg(long)]
    pub user: Option<String>,
    /// Say how many events and envelopes it would touch, and touch nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Build the new read models no faster than so many events a second, so that live counting and reports keep their
    /// speed.
    #[arg(long, value_name = "EVENTS_PER_SECOND", value_parser = clap::value_parser!(i32).range(1_000..))]
    pub throttle: Option<i32>,
    /// Erase from this archive, too; all archives have to be named.
    #[arg(long, value_name = "FOLDER")]
    pub archive: Vec<PathBuf>,
    /// The `PUBLISH_DEADLINE_MS` of ingest. An envelope that ingest may still send again is not erased before that has
    /// passed.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 60_000,
          value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub publish_deadline_ms: u64,
}

impl std::fmt::Debug for Options {
    /// Without whom it is about.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("dry_run", &self.dry_run).finish_non_exhaustive()
    }
}

/// Erases, and proves that nothing is left. Failure means that something is.
///
/// # Errors
///
/// The log or the database is unavailable, the log's user may not erase, or the read models are of a fold, key or window that is
/// not ours.
pub(crate) async fn forget(context: &Context, options: Options) -> anyhow::Result<ExitCode> {
    let subject = Subject::new(options.site.clone(), options.user.clone())?;
    // Until the end: what an archiving run has read before an erasure and writes behind it would be forgotten nowhere.
    let _locks = lock(&options.archive)?;
    if options.dry_run {
        let found = log::count(context, &subject).await?;
        println!("{found} would be erased.");
        for archive in &options.archive {
            println!("{} would be erased from {}.", files::count(archive, &subject)?, archive.display());
        }
        return Ok(ExitCode::SUCCESS);
    }
    check(context).await?;
    let erased = tokio::select! {
        erased = log::erase(context, &subject, &options) => erased?,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("stopped; the same command, run again, goes on"),
    };
    println!("{} erased from the log.", erased.found);
    for archive in &options.archive {
        println!("{} erased from {}.", files::erase(archive, &subject)?, archive.display());
    }
    if audit::unfinished(&context.pool).await? > 0 {
        let built = rebuild::build(context, options.throttle).await?;
        prove(context, &subject, &erased.ends, Some(built)).await
    } else {
        prove(context, &subject, &erased.ends, None).await
    }
}

/// No archive is worked on by anything else. One that is named twice is locked once.
fn lock(archives: &[PathBuf]) -> anyhow::Result<Vec<Lock>> {
    let mut folders = Vec::new();
    for archive in archives {
        archive::partitions(archive)?;
        folders.push(archive.canonicalize().with_context(|| format!("looking for {}", archive.display()))?);
    }
    folders.sort();
    folders.dedup();
    folders.iter().map(|folder| Lock::take(folder)).collect()
}

/// What would stop it halfway.
async fn check(context: &Context) -> anyhow::Result<()> {
    let generations = generation::list(&context.pool).await?;
    let active = context.active(&generations)?;
    for partition in streams::partitions(&context.jetstream).await? {
        let stream = Stream::find(&context.jetstream, partition).await?;
        let counted_in = Slice { generation: active.id, partition };
        let missing = stream_start::missing_until(&context.pool, counted_in, &stream).await?;
        ensure!(
            missing == 0,
            "the log of partition {partition} lacks sequences 1 to {missing}, and the read models have to be built anew \
             from all of it: bring them back with `projector restore` first, and trim the log again afterwards"
        );
    }
    Ok(())
}

/// Verifies new read models, and searches.
async fn prove(
    context: &Context,
    subject: &Subject,
    ends: &Ends,
    built: Option<GenerationId>,
) -> anyhow::Result<ExitCode> {
    if built.is_some() {
        let all = ScopeArgs { with_ids: true, ..ScopeArgs::default() };
        let verified = verify::differences(context, all).await?;
        if verified > 0 {
            println!("The new read models are not what the log adds up to: the erasure stays unfinished.");
            return Ok(ExitCode::FAILURE);
        }
    }
    let mut progress = CommandProgress::of("Searching", 1, "envelopes");
    let passed = &mut |done, steps| progress.set(done, steps);
    let found = residue::search(context, subject, ends, passed).await?;
    progress.end();
    println!("Searched log, read models and parked events: {found}.");
    if !found.is_nothing() {
        return Ok(ExitCode::FAILURE);
    }
    if let Some(built) = built {
        audit::finish(&context.pool, built).await?;
        println!("Done: reports come from generation {built}, and no other one is left.");
    }
    Ok(ExitCode::SUCCESS)
}
