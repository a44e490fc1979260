//! Archived envelopes, brought back. Their sequences cannot be given a second time; but what stands for an envelope that
//! is gone takes its place for readers of the log, so they lie where redactions do, until they are trimmed once more.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use contract::Partition;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::continuity;
use crate::admin::erase::redactor::Redactor;
use crate::admin::progress::CommandProgress;
use crate::worker::context::Context;
use event_log::archive::{self, Lock, Manifest};
use event_log::deletion::PUBLISH_DEADLINE_MAX;
use event_log::stream::Stream;

/// Envelopes on their way to the log at once: at most 64 × 256 KiB, 16 MiB.
const ON_THEIR_WAY: usize = 64;

/// Where they are.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// The folder of the archive.
    #[arg(long, value_name = "FOLDER")]
    pub from: PathBuf,
}

/// Brings back what is no longer in the log. Run again, it goes on.
pub(crate) async fn restore(context: &Context, options: Options) -> anyhow::Result<()> {
    let partitions = archive::partitions(&options.from)?;
    let _lock = Lock::take(&options.from)?;
    for partition in partitions {
        let manifest = Manifest::open(&options.from, partition)?;
        let missing = last_missing(context, partition).await?;
        ensure!(
            missing <= manifest.last(),
            "the log of partition {partition} lacks sequences 1 to {missing}, the archive ends at {}",
            manifest.last()
        );
        if missing > 0 {
            // The first one that both have tells whether they belong together.
            continuity::check_line(&context.jetstream, partition, &manifest, missing + 1).await?;
        }
        let redactor = Redactor::open(&context.jetstream, partition, PUBLISH_DEADLINE_MAX).await?;
        let mut progress = CommandProgress::of("Restoring", missing, "envelopes");
        for range in manifest.ranges().into_iter().filter(|range| range.first <= missing) {
            manifest.check(range)?;
            let lines = manifest.read(range)?.map(async |line| {
                let line = line?;
                let sequence = line.sequence;
                if sequence <= missing { redactor.restore(line).await.map(|()| sequence) } else { Ok(missing) }
            });
            let mut restored = stream::iter(lines).buffered(ON_THEIR_WAY);
            while let Some(sequence) = restored.try_next().await.context("restoring envelopes")? {
                progress.set(sequence, missing);
            }
        }
        progress.end();
        match (missing, last_missing(context, partition).await?) {
            (0, _) => println!("Partition {partition}: nothing is missing."),
            (last, 0) => println!("Partition {partition}: sequences 1 to {last} are back."),
            (last, absent) => println!(
                "Partition {partition}: what the archive has of sequences 1 to {last} is back. It has no envelopes for all \
                 of them: the last that was gone before it was archived is {absent}."
            ),
        }
    }
    Ok(())
}

/// The last sequence that nothing stands for before the first envelope of the log; 0 where there is none.
async fn last_missing(context: &Context, partition: Partition) -> anyhow::Result<u64> {
    let missing = Stream::find(&context.jetstream, partition).await?.missing().await?;
    Ok(missing.last().map_or(0, |range| *range.end()))
}
