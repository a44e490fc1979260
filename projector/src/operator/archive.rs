//! Old envelopes, written into files; and taken out of the log, where every generation contains them and the files are
//! whole.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use async_nats::jetstream;
use chrono::{DateTime, Utc};
use contract::Partition;
use futures_util::TryStreamExt;
use sqlx::PgPool;

use super::progress::Progress;
use crate::amendments;
use crate::archive::{Draft, Line, Manifest, Range};
use crate::checkpoint::as_bigint;
use crate::erasure::walk::Walk;
use crate::generations::Workshop;
use crate::log_end;

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
    /// Then take out of the log what is archived. Needs the log's user `operator`.
    #[arg(long)]
    pub trim: bool,
}

/// Archives all partitions, and trims them if that is asked for.
///
/// # Errors
///
/// The log or the database is away, the disk is full, or what is to be trimmed is needed.
pub(crate) async fn archive(workshop: &Workshop, options: Options) -> anyhow::Result<()> {
    for partition in log_end::partitions(&workshop.jetstream).await? {
        let mut manifest = Manifest::open(&options.to, partition)?;
        let before = manifest.last();
        write(workshop, partition, &mut manifest, options.before).await?;
        println!(
            "Partition {partition}: {} are archived; there were {before} before.",
            match manifest.last() {
                0 => "no sequences".to_owned(),
                last => format!("sequences 1 to {last}"),
            }
        );
        if options.trim {
            trim(workshop, partition, &manifest).await.with_context(|| format!("trimming partition {partition}"))?;
        }
    }
    Ok(())
}

/// Writes what is behind the last file.
async fn write(
    workshop: &Workshop,
    partition: Partition,
    manifest: &mut Manifest,
    before: Option<DateTime<Utc>>,
) -> anyhow::Result<()> {
    let mut walk = Walk::behind(&workshop.jetstream, partition, manifest.last()).await?;
    let mut progress = Progress::of("Archiving", walk.until(), "envelopes");
    let mut file: Option<(Draft, Range)> = None;
    while let Some(logged) = walk.next().await? {
        if before.is_some_and(|before| logged.logged_at >= before) {
            break;
        }
        let (mut draft, range) = match file.take() {
            Some(open) => open,
            None => (manifest.draft()?, Range { first: manifest.last() + 1, last: 0 }),
        };
        draft.write(&Line::of(&logged).to_text()?)?;
        let range = Range { last: logged.sequence, ..range };
        if draft.bytes() >= FILE_BYTES {
            manifest.add(draft, range)?;
        } else {
            file = Some((draft, range));
        }
        progress.set(walk.at(), walk.until());
    }
    progress.end();
    file.map_or(Ok(()), |(draft, range)| manifest.add(draft, range))
}

/// Takes out of the log what is archived.
async fn trim(workshop: &Workshop, partition: Partition, manifest: &Manifest) -> anyhow::Result<()> {
    let last = manifest.last();
    if last == 0 {
        return Ok(());
    }
    check_contained(&workshop.pool, partition, last).await?;
    for range in manifest.ranges() {
        manifest.check(range)?;
    }
    let stream = workshop.jetstream.get_stream(partition.stream()).await.context("looking at the stream")?;
    ensure!(
        !stream.cached_info().config.deny_purge,
        "stream {} forbids that anything is ever taken out of it, as streams of older versions do, and cannot be changed: \
         restore it once from a backup without that, as docs/operations.md says",
        partition.stream()
    );
    let purged = stream.purge().sequence(last + 1).await;
    purged.context("taking envelopes out of the log; this needs the log's user `operator`")?;
    let amendments = trim_amendments(&workshop.jetstream, partition, last).await?;
    println!("Partition {partition}: the log begins at sequence {}; {amendments} amendments went, too.", last + 1);
    Ok(())
}

/// A generation that is behind could not go on.
async fn check_contained(pool: &PgPool, partition: Partition, last: u64) -> anyhow::Result<()> {
    let behind = sqlx::query!(
        r#"select generation.generation_id, status, coalesce(stream_sequence, 0) as "stream_sequence!"
         from generation
         left join checkpoint on checkpoint.generation_id = generation.generation_id and partition_id = $1
         where coalesce(stream_sequence, 0) < $2
         order by status = 'active' desc, generation_id
         limit 1"#,
        i32::from(partition.number()),
        as_bigint(last),
    )
    .fetch_optional(pool)
    .await?;
    let Some(row) = behind else { return Ok(()) };
    anyhow::bail!(
        "generation {}, which is {}, contains partition {partition} only up to sequence {}, and needs what is behind: wait \
         for it, or drop it with `projector drop {}` if it is retired",
        row.generation_id,
        row.status,
        row.stream_sequence,
        row.generation_id
    )
}

/// What stands for envelopes that are archived. Answers how many there were.
async fn trim_amendments(log: &jetstream::Context, partition: Partition, last: u64) -> anyhow::Result<u64> {
    let Some(stream) = amendments::find(log, partition).await? else { return Ok(0) };
    let mut trimmed = 0;
    let mut subjects =
        stream.info_with_subjects(partition.amendments_subjects()).await.context("listing amendments")?;
    while let Some((subject, _)) = subjects.try_next().await.context("listing amendments")? {
        if partition.amended_sequence(&subject).is_some_and(|sequence| sequence <= last) {
            stream.purge().filter(&subject).await.context("taking amendments out of the log")?;
            trimmed += 1;
        }
    }
    Ok(trimmed)
}
