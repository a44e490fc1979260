//! Whether an archive is of the history that the log has. A stream that was made anew or restored to an older state gives
//! sequences again; what it has under them must not go on an archive of another one.

use anyhow::{Context as _, ensure};
use chrono::{DateTime, Utc};
use contract::Partition;

use event_log::archive::Manifest;
use event_log::connect::Log;
use event_log::stream::Stream;
use event_log::{lookup, redactions};

/// Checks that what an archive ends with is what the log has there, where it has something. When the log stored it is what
/// tells: something may have been erased since from one of the two.
///
/// # Errors
///
/// The archive is of another history or damaged, or the log is unavailable.
pub(super) async fn check(log: &Log, partition: Partition, manifest: &Manifest) -> anyhow::Result<()> {
    let last = manifest.last();
    if last == 0 {
        return Ok(());
    }
    let end = Stream::find(log, partition).await?.last_sequence();
    ensure!(
        last <= end,
        "the archive of partition {partition} ends at sequence {last}, but its log at {end}: the archive is of another log, \
         or the log was restored to an older state. Archive into a new folder"
    );
    check_line(log, partition, manifest, last).await
}

/// Checks one envelope of an archive, where both have it.
///
/// # Errors
///
/// The archive is of another history or damaged, or the log is unavailable.
pub(super) async fn check_line(
    log: &Log,
    partition: Partition,
    manifest: &Manifest,
    sequence: u64,
) -> anyhow::Result<()> {
    let Some(logged_at) = logged_at(log, partition, sequence).await? else { return Ok(()) };
    let Some(line) = manifest.line(sequence)? else { return Ok(()) };
    ensure!(
        line.logged_at == logged_at,
        "the archive of partition {partition} has an envelope of {} under sequence {sequence}, the log one of {logged_at}: the \
         archive is of another log, or the log was restored to an older state. Name another folder",
        line.logged_at
    );
    Ok(())
}

/// When the log stored what it has under a sequence, or what an amendment there stands for.
async fn logged_at(log: &Log, partition: Partition, sequence: u64) -> anyhow::Result<Option<DateTime<Utc>>> {
    if let Some(stored) = lookup::at(log, &partition.stream(), sequence).await? {
        return Ok(Some(stored.logged_at));
    }
    let Some(amendments) = redactions::find(log, partition).await? else { return Ok(None) };
    let stands = redactions::read(&amendments, partition, sequence).await.context("reading an amendment")?;
    Ok(stands.map(|stands| stands.logged_at))
}
