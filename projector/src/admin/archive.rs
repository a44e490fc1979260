//! Old envelopes, written into files; and taken out of the log, where every generation contains them and the files are
//! whole.

/// Brings archived envelopes back.
pub(crate) mod restore;

/// How far.
mod limit;

/// Whether the archive is of the log's history.
mod continuity;

/// What no generation needs any more.
mod contained;

/// The second half of it.
mod trim;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use contract::Partition;

use super::progress::CommandProgress;
use crate::worker::context::Context;
use event_log::archive::{Lock, Manifest, Record, SequenceRange, Writer};
use event_log::scan::LogScan;
use event_log::streams;

/// A file ends with the envelope that reaches this: 64 MiB, and one of a MiB at most.
const FILE_BYTES: u64 = 64 << 20;

/// What is archived, and where.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// The folder of the archive. What it has already is not written again.
    #[arg(long, value_name = "FOLDER")]
    pub to: PathBuf,
    /// Only what the log stored before this time, such as 2026-01-01T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub before: Option<DateTime<Utc>>,
    /// Only as much that no more than so many bytes of each partition are left once it is trimmed.
    #[arg(long, value_name = "BYTES")]
    pub keep_bytes: Option<u64>,
    /// Then take that out of the log. Needs the log's user `operator`.
    #[arg(long)]
    pub trim: bool,
    /// The longest `PUBLISH_DEADLINE_MS` of any ingest. An envelope that ingest may still send again stays in the log:
    /// one that is younger than that and 5 seconds.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 60_000,
          value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub publish_deadline_ms: u64,
}

/// Archives all partitions, and trims them if that is asked for.
///
/// # Errors
///
/// The log or the database is unavailable, the disk is full, or what is to be trimmed is needed.
pub(crate) async fn archive(context: &Context, options: Options) -> anyhow::Result<()> {
    let _lock = Lock::take(&options.to)?;
    for partition in streams::partitions(&context.jetstream).await? {
        let mut manifest = Manifest::open(&options.to, partition)?;
        let (before, last) = (manifest.last(), Box::pin(limit::last(context, partition, &options)).await?);
        Box::pin(write(context, partition, &mut manifest, last)).await?;
        println!(
            "Partition {partition}: {} are archived; there were {before} before.",
            match manifest.last() {
                0 => "no sequences".to_owned(),
                last => format!("sequences 1 to {last}"),
            }
        );
        if options.trim {
            let deadline = Duration::from_millis(options.publish_deadline_ms);
            Box::pin(trim::trim(context, (partition, deadline), &manifest, last))
                .await
                .with_context(|| format!("trimming partition {partition}"))?;
        }
    }
    Ok(())
}

/// Writes what is behind the last file, up to a sequence.
async fn write(context: &Context, partition: Partition, manifest: &mut Manifest, last: u64) -> anyhow::Result<()> {
    continuity::check(&context.jetstream, partition, manifest).await?;
    let mut scan = LogScan::behind(&context.jetstream, partition, manifest.last()).await?;
    let mut progress = CommandProgress::of("Archiving", last, "envelopes");
    let mut file: Option<(Writer, SequenceRange)> = None;
    while scan.at() < last
        && let Some(logged) = scan.next().await?
    {
        let (mut draft, range) = match file.take() {
            Some(open) => open,
            None => (manifest.draft()?, SequenceRange { first: manifest.last() + 1, last: 0 }),
        };
        draft.write(&Record::of(&logged).to_text()?)?;
        let range = SequenceRange { last: logged.sequence, ..range };
        if draft.bytes() >= FILE_BYTES {
            // What is added cannot be completed by a later run.
            Box::pin(scan.check_absent()).await?;
            manifest.add(draft, range)?;
        } else {
            file = Some((draft, range));
        }
        progress.set(scan.at(), last);
    }
    progress.end();
    Box::pin(scan.check_absent()).await?;
    file.map_or(Ok(()), |(draft, range)| manifest.add(draft, range))
}
