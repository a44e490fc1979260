//! What is archived, taken out of the log: where every generation contains it, and the archive has it word for word.

use anyhow::{Context as _, ensure};
use async_nats::jetstream;
use contract::Partition;
use futures_util::TryStreamExt;
use sqlx::PgPool;

use crate::amendments;
use crate::archive::{Line, Manifest};
use crate::checkpoint::as_bigint;
use crate::erasure::walk::Walk;
use crate::generations::Workshop;
use crate::operator::progress::Progress;

/// Takes out of the log what is archived, up to a sequence.
pub(super) async fn trim(
    workshop: &Workshop,
    partition: Partition,
    manifest: &Manifest,
    last: u64,
) -> anyhow::Result<()> {
    let last = last.min(manifest.last());
    if last == 0 {
        return Ok(());
    }
    check_contained(&workshop.pool, partition, last).await?;
    check_archived(&workshop.jetstream, partition, manifest, last).await?;
    let stream = workshop.jetstream.get_stream(partition.stream()).await.context("looking at the stream")?;
    ensure!(
        !stream.cached_info().config.deny_purge,
        "stream {} forbids that anything is ever taken out of it, as streams of older versions do, and cannot be changed: \
         restore it once from a backup without that, as docs/operations.md says",
        partition.stream()
    );
    // The sequence is the first that stays.
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

/// Nothing goes that the archive does not have, word for word.
async fn check_archived(
    log: &jetstream::Context,
    partition: Partition,
    manifest: &Manifest,
    last: u64,
) -> anyhow::Result<()> {
    let mut walk = Walk::through(log, partition).await?;
    let mut progress = Progress::of("Comparing", last, "envelopes");
    let mut lines = manifest.lines(last);
    while walk.at() < last
        && let Some(logged) = walk.next().await?
        && logged.sequence <= last
    {
        let sequence = logged.sequence;
        // What was trimmed before lies in the archive alone.
        let is_reached = |line: &anyhow::Result<Line>| line.as_ref().map_or(true, |line| line.sequence >= sequence);
        ensure!(
            lines.find(is_reached).transpose()? == Some(Line::of(&logged)),
            "what the archive has under sequence {sequence} is not what the log has: was something erased without naming \
             this archive, or is it another log's?"
        );
        progress.set(sequence, last);
    }
    progress.end();
    Ok(())
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
