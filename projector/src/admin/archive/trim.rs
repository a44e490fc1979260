//! What is archived, taken out of the log: where every generation contains it, and the archive has it word for word.

use std::future::ready;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use chrono::{DateTime, Utc};
use contract::Partition;
use futures_util::TryStreamExt;
use sqlx::Connection as _;

use super::contained;
use crate::admin::progress::CommandProgress;
use crate::read_models::generation;
use crate::worker::context::Context;
use event_log::archive::{Manifest, Record};
use event_log::connect::Log;
use event_log::deletion::Deletion;
use event_log::entry::Entry;
use event_log::redactions;
use event_log::scan::LogScan;

/// Amendments that go while no generation is begun: of 1 ms each, a quarter of a second.
const AMENDMENTS_A_LOCK: usize = 256;

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
    contained::check(&mut *context.pool.acquire().await?, log, partition, last).await?;
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
        Box::pin(take_contained(context, (partition, settled), deletion.purge_through(settled))).await?;
        let amendments = Box::pin(trim_amendments(context, partition, settled)).await?;
        println!(
            "Partition {partition}: the log begins at sequence {}; {amendments} amendments went, too.",
            settled + 1
        );
    }
    Ok(())
}

/// Takes something out while no generation is begun or activated, once all that there are contain it. One that was begun
/// since the first look would lose its beginning.
async fn take_contained(
    context: &Context,
    (partition, last): (Partition, u64),
    taken: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let mut db = context.pool.acquire().await?;
    let mut tx = db.begin().await?;
    generation::lock(&mut tx).await?;
    contained::check(&mut tx, &context.jetstream, partition, last).await?;
    taken.await?;
    tx.commit().await?;
    Ok(())
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
async fn trim_amendments(context: &Context, partition: Partition, last: u64) -> anyhow::Result<usize> {
    let Some(stream) = redactions::find(&context.jetstream, partition).await? else { return Ok(0) };
    let subjects = stream.info_with_subjects(partition.amendments_subjects()).await.context("listing amendments")?;
    let subjects: Vec<String> = subjects
        .map_ok(|(subject, _)| subject)
        .try_filter(|subject| ready(partition.amended_sequence(subject).is_some_and(|sequence| sequence <= last)))
        .try_collect()
        .await
        .context("listing amendments")?;
    for subjects in subjects.chunks(AMENDMENTS_A_LOCK) {
        let taken = async {
            for subject in subjects {
                stream.purge().filter(subject).await.context("taking amendments out of the log")?;
            }
            Ok(())
        };
        take_contained(context, (partition, last), taken).await?;
    }
    Ok(subjects.len())
}
