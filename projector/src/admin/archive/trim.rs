//! What is archived, taken out of the log: where every generation contains it, and the archive has it word for word.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use chrono::{DateTime, Utc};
use contract::Partition;
use futures_util::TryStreamExt;
use sqlx::PgPool;

use crate::admin::progress::CommandProgress;
use crate::read_models::bigint::as_bigint;
use crate::worker::context::Context;
use event_log::archive::{Manifest, Record};
use event_log::connect::Log;
use event_log::deletion::Deletion;
use event_log::entry::Entry;
use event_log::redactions;
use event_log::scan::LogScan;

/// Takes out of the log what is archived, up to a sequence, and up to what ingest may still send again: that stays until a
/// later run.
pub(super) async fn trim(
    context: &Context,
    (partition, publish_deadline): (Partition, Duration),
    manifest: &Manifest,
    last: u64,
) -> anyhow::Result<()> {
    let last = last.min(manifest.last());
    if last == 0 {
        return Ok(());
    }
    let log = &context.jetstream;
    check_contained(&context.pool, partition, last).await?;
    let deletion = Deletion::open(log, partition, publish_deadline).await?;
    ensure!(
        !deletion.events().cached_info().config.deny_purge,
        "stream {} forbids that anything is ever taken out of it, as streams of older versions do, and cannot be changed: \
         restore it once from a backup without that, as docs/operations.md says",
        partition.stream()
    );
    let settled_until = deletion.settled_until().await?;
    let settled = Box::pin(check_archived(log, (partition, manifest), last, settled_until)).await?;
    if settled < last {
        println!(
            "Partition {partition}: sequences {} to {last} stay in the log until a later run: ingest may still send what is \
             younger than {} seconds again.",
            settled + 1,
            deletion.settle().as_secs()
        );
    }
    if settled > 0 {
        deletion.purge_through(settled).await?;
        let amendments = trim_amendments(log, partition, settled).await?;
        println!(
            "Partition {partition}: the log begins at sequence {}; {amendments} amendments went, too.",
            settled + 1
        );
    }
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

/// Nothing goes that the archive does not have, word for word. Every sequence is accounted for: the walk passes none
/// that the log has. Answers the last one before which all were stored at a time or before.
async fn check_archived(
    log: &Log,
    (partition, manifest): (Partition, &Manifest),
    last: u64,
    settled_until: DateTime<Utc>,
) -> anyhow::Result<u64> {
    let mut scan = LogScan::through(log, partition).await?;
    let mut progress = CommandProgress::of("Comparing", last, "envelopes");
    let mut lines = manifest.lines(last).peekable();
    let mut unsettled = None;
    while scan.at() < last
        && let Some(logged) = scan.next().await?
        && logged.sequence <= last
    {
        let sequence = logged.sequence;
        // What was trimmed before lies in the archive alone.
        while lines.next_if(|line| line.as_ref().is_ok_and(|line| line.sequence < sequence)).is_some() {}
        check_line(lines.next().transpose()?.as_ref(), &logged)?;
        if logged.logged_at > settled_until {
            unsettled.get_or_insert(sequence);
        }
        progress.set(sequence, last);
    }
    progress.end();
    Box::pin(scan.check_absent()).await?;
    Ok(unsettled.map_or(last, |first| first - 1))
}

fn check_line(archived: Option<&Record>, logged: &Entry) -> anyhow::Result<()> {
    let sequence = logged.sequence;
    ensure!(
        archived.is_some_and(|line| line.sequence == sequence),
        "the archive lacks sequence {sequence}, which the log has: it is not complete. Archive into a new folder"
    );
    ensure!(
        archived == Some(&Record::of(logged)),
        "what the archive has under sequence {sequence} is not what the log has: was something erased without naming this \
         archive, or is it another log's?"
    );
    Ok(())
}

/// What stands for envelopes that are archived. Answers how many there were.
async fn trim_amendments(log: &Log, partition: Partition, last: u64) -> anyhow::Result<u64> {
    let Some(stream) = redactions::find(log, partition).await? else { return Ok(0) };
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
