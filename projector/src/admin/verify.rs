//! The active generation, proved against the log: folded anew from its first event to exactly where a snapshot of the
//! active one is, and compared row by row and sketch byte by byte. Traffic goes on.

/// The generation that a verification builds.
mod shadow;

/// Compares event ids that are remembered.
mod dedup;

use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, ensure};
use contract::{Partition, SiteId};
use sqlx::{Connection, PgConnection};

use super::progress::Progress;
use super::rebuild::stream_start;
use super::scope_args::Narrow;
use crate::cutover::{Positions, positions};
use crate::log::stream::Stream;
use crate::read_models::checkpoint::Slice;
use crate::read_models::compare::month_summaries;
use crate::read_models::compare::{self, Comparison, Scope, Side, Watcher};
use crate::read_models::generation::{self, Generation};
use crate::read_models::month_summary::NotSummed;
use crate::worker::context::Workshop;
use shadow::Scratch;

/// Between two looks at how far it is.
const LOOK_PAUSE: Duration = Duration::from_millis(250);

/// Verifies, and prints what differs or that nothing does. Failure means that something does.
///
/// # Errors
///
/// The log or the database is away, the log is incomplete, or the read models are of a fold, key or window that is not
/// ours.
pub(crate) async fn verify(workshop: &Workshop, narrow: Narrow) -> anyhow::Result<ExitCode> {
    Ok(if differences(workshop, narrow).await? == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The same, and answers how many differ.
///
/// # Errors
///
/// See [`verify`].
pub(super) async fn differences(workshop: &Workshop, narrow: Narrow) -> anyhow::Result<u64> {
    let generations = generation::list(&workshop.pool).await?;
    let active = workshop.active(&generations)?;
    let mut scratch = Scratch::make(workshop, active.identity).await?;
    let id = scratch.id;
    let outcome = tokio::select! {
        outcome = try_verify(workshop, active, &mut scratch, &narrow) => outcome,
        err = Scratch::keep(workshop, id) => Err(err.into()),
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("stopped: nothing was verified")),
    };
    // Where this fails, a projector clears it away later.
    let _ = scratch.drop(&workshop.pool).await;
    Ok(outcome?.differences)
}

async fn try_verify(
    workshop: &Workshop,
    active: &Generation,
    scratch: &mut Scratch,
    narrow: &Narrow,
) -> anyhow::Result<Comparison> {
    let scope = &narrow.scope();
    let mut db = workshop.pool.acquire().await?;
    let now = positions(&mut db, active.id).await?;
    let mut misplaced = take_up(workshop, active, scratch, (scope, &now)).await?;
    fold(scratch, &now).await?;
    let mut snapshot = db.begin().await?;
    sqlx::query!("set transaction isolation level repeatable read").execute(&mut *snapshot).await?;
    sqlx::query!("set local statement_timeout = '1h'").execute(&mut *snapshot).await?;
    sqlx::query!("set local idle_in_transaction_session_timeout = '10min'").execute(&mut *snapshot).await?;
    let place = positions(&mut snapshot, active.id).await?;
    misplaced.append(&mut beyond_the_end(workshop, &place).await?);
    fold(scratch, &place).await?;
    if narrow.with_ids {
        misplaced.append(&mut scratch.other_ids(&mut snapshot, active.id).await?);
    }

    let mut other = workshop.pool.acquire().await?;
    sqlx::query!("set statement_timeout = '1h'").execute(&mut *other).await?;
    let counts = scratch.counts();
    let (envelopes, events) = (counts.envelopes.load(Ordering::Relaxed), counts.events.load(Ordering::Relaxed));
    let compared = compare(&mut other, scratch, (&mut snapshot, active), narrow).await;
    // Its settings are not those of the others.
    other.close_on_drop();
    let mut comparison = compared?;
    let summed = check_months(&mut snapshot, active, narrow).await?;
    comparison.rows += summed.rows;
    comparison.differences += summed.differences + misplaced.len() as u64;
    for told in &misplaced {
        println!("{told}");
    }
    println!(
        "Generation {} at {place}: {events} events in {envelopes} envelopes were folded, {} rows compared: {}.",
        active.id,
        comparison.rows,
        if comparison.differences == 0 {
            "nothing differs".to_owned()
        } else {
            format!("{} differ", comparison.differences)
        }
    );
    Ok(comparison)
}

/// Takes up every partition of the read models; answers what cannot be.
async fn take_up(
    workshop: &Workshop,
    active: &Generation,
    scratch: &mut Scratch,
    (scope, now): (&Scope, &Positions),
) -> anyhow::Result<Vec<String>> {
    let mut fold = workshop.fold(active);
    if let Some(site_id) = &scope.site_id {
        fold = fold.only(SiteId::try_from(site_id.clone()).context("--site")?.as_str().to_owned());
    }
    let mut misplaced = Vec::new();
    for number in now.0.keys() {
        let partition = u16::try_from(*number).ok().and_then(Partition::numbered);
        let partition = partition.with_context(|| format!("{number} is no partition"))?;
        match Stream::find(&workshop.jetstream, partition).await {
            Ok(stream) => {
                let counted_in = Slice { generation: active.id, partition };
                let missing = stream_start::missing_until(&workshop.pool, counted_in, &stream).await?;
                ensure!(
                    missing == 0,
                    "the log of partition {partition} begins at sequence {}: nothing can be proved about what was \
                     counted before",
                    missing + 1
                );
                scratch.take_up(workshop, &fold, Slice { generation: scratch.id, partition }).await?;
            }
            Err(err) if err.is_missing_stream() => {
                misplaced.push(format!("checkpoint of partition {partition}: the log has no such partition"));
            }
            Err(err) => return Err(err.into()),
        }
    }
    Ok(misplaced)
}

/// Checkpoints that lie behind the end of the log.
async fn beyond_the_end(workshop: &Workshop, place: &Positions) -> anyhow::Result<Vec<String>> {
    let mut misplaced = Vec::new();
    for (number, sequence) in &place.0 {
        let Some(partition) = u16::try_from(*number).ok().and_then(Partition::numbered) else { continue };
        let Ok(stream) = Stream::find(&workshop.jetstream, partition).await else { continue };
        let last = i64::try_from(stream.last_sequence()).unwrap_or(i64::MAX);
        if *sequence > last {
            misplaced.push(format!("checkpoint of partition {partition}: expected {last} at most, found {sequence}"));
        }
    }
    Ok(misplaced)
}

/// Folds up to a place, or to the end of the log where that comes first, and shows how far it is.
async fn fold(scratch: &mut Scratch, place: &Positions) -> anyhow::Result<()> {
    let steps: i64 = place.0.values().sum();
    let mut progress = Progress::of("Folding", steps.unsigned_abs(), "envelopes");
    let counts = scratch.counts();
    let until =
        |slice: Slice| place.0.get(&i32::from(slice.partition.number())).map_or(0, |sequence| sequence.unsigned_abs());
    let folding = scratch.fold(until);
    tokio::pin!(folding);
    loop {
        tokio::select! {
            folded = &mut folding => {
                progress.end();
                return folded;
            }
            () = tokio::time::sleep(LOOK_PAUSE) => {
                progress.set(counts.envelopes.load(Ordering::Relaxed), steps.unsigned_abs());
            }
        }
    }
}

async fn compare(
    other: &mut PgConnection,
    scratch: &Scratch,
    (snapshot, active): (&mut PgConnection, &Generation),
    narrow: &Narrow,
) -> sqlx::Result<Comparison> {
    let mut difference = narrow.printer();
    let mut progress = Progress::of("Comparing", 0, "rows");
    let watcher = &mut Watcher { difference: &mut difference, progress: &mut |rows| progress.set(rows, rows) };
    let expected = Side { db: other, generation: scratch.id };
    let found = Side { db: snapshot, generation: active.id };
    let compared = compare::compare(expected, found, (&narrow.scope(), active.identity.fold_version), watcher).await;
    progress.end();
    compared
}

/// Compares the summaries of months with their days, which have been compared with the log.
async fn check_months(
    snapshot: &mut PgConnection,
    active: &Generation,
    narrow: &Narrow,
) -> Result<Comparison, NotSummed> {
    let mut left = narrow.limit;
    let mut difference = |difference: &str| {
        if left > 0 {
            println!("{difference}");
        }
        left = left.saturating_sub(1);
    };
    let mut progress = Progress::of("Checking", 0, "months");
    let watcher = &mut month_summaries::Watcher {
        difference: &mut difference,
        progress: &mut |months| progress.set(months, months),
    };
    let checked = month_summaries::check(snapshot, active.id, &narrow.scope(), watcher).await;
    progress.end();
    checked
}
