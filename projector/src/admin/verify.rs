//! The active generation, proved against the log: folded anew from its first event to exactly where a snapshot of the
//! active one is, and compared row by row and sketch byte by byte. Traffic goes on.

mod shadow;

mod dedup;

use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use contract::{Partition, SiteId};
use sqlx::{Connection, PgConnection};

use super::progress::CommandProgress;
use super::rebuild::stream_start;
use super::scope_args::ScopeArgs;
use crate::cutover::{Positions, positions};
use crate::read_models::compare::month_summaries;
use crate::read_models::compare::{self, Comparison, Extent, Side, Watcher};
use crate::read_models::generation::{self, Generation};
use crate::read_models::month_summary::NotSummed;
use crate::read_models::slice::Slice;
use crate::worker::context::Context;
use event_log::stream::Stream;
use shadow::Shadow;

/// Between two looks at how far it is.
const LOOK_PAUSE: Duration = Duration::from_millis(250);

/// Verifies, and prints what differs or that nothing does. Failure means that something does.
///
/// # Errors
///
/// The log or the database is unavailable, the log is incomplete, or the read models are of a fold, key or window that is not
/// ours.
pub(crate) async fn verify(context: &Context, narrow: ScopeArgs) -> anyhow::Result<ExitCode> {
    Ok(if differences(context, narrow).await? == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Verifies like [`verify`], and answers how many rows differ.
pub(super) async fn differences(context: &Context, narrow: ScopeArgs) -> anyhow::Result<u64> {
    let generations = generation::list(&context.pool).await?;
    let active = context.active(&generations)?;
    let verification = Verification { context, active, narrow: &narrow };
    let mut shadow = Shadow::make(context, active.identity).await?;
    let id = shadow.id;
    let outcome = tokio::select! {
        outcome = verification.run(&mut shadow) => outcome,
        err = Shadow::keep(context, id) => Err(err.into()),
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("stopped: nothing was verified")),
    };
    // Where this fails, a projector clears it away later.
    let _ = shadow.drop(&context.pool).await;
    Ok(outcome?.differences)
}

/// A verification of the active generation.
struct Verification<'a> {
    context: &'a Context,
    active: &'a Generation,
    narrow: &'a ScopeArgs,
}

impl Verification<'_> {
    async fn run(&self, shadow: &mut Shadow) -> anyhow::Result<Comparison> {
        let Self { context, active, narrow } = self;
        let mut db = context.pool.acquire().await?;
        let now = positions(&mut db, active.id).await?;
        let mut misplaced = self.add_partitions(shadow, &now).await?;
        fold(shadow, &now).await?;
        let mut snapshot = db.begin().await?;
        sqlx::query!("set transaction isolation level repeatable read").execute(&mut *snapshot).await?;
        sqlx::query!("set local statement_timeout = '1h'").execute(&mut *snapshot).await?;
        sqlx::query!("set local idle_in_transaction_session_timeout = '10min'").execute(&mut *snapshot).await?;
        let place = positions(&mut snapshot, active.id).await?;
        misplaced.append(&mut self.beyond_the_end(&place).await?);
        fold(shadow, &place).await?;
        if narrow.with_ids {
            misplaced.append(&mut shadow.other_ids(&mut snapshot, active.id).await?);
        }

        let mut other = context.pool.acquire().await?;
        sqlx::query!("set statement_timeout = '1h'").execute(&mut *other).await?;
        let counts = shadow.counts();
        let (envelopes, events) = (counts.envelopes.load(Ordering::Relaxed), counts.events.load(Ordering::Relaxed));
        let compared = self.compare(&mut other, shadow, &mut snapshot).await;
        // Its settings are not those of the others.
        other.close_on_drop();
        let mut comparison = compared?;
        let summed = self.check_months(&mut snapshot).await?;
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
    async fn add_partitions(&self, shadow: &mut Shadow, now: &Positions) -> anyhow::Result<Vec<String>> {
        let Self { context, active, narrow } = self;
        let scope = narrow.scope();
        let mut fold = context.fold(active);
        if let Some(site_id) = &scope.site_id {
            fold = fold.only(SiteId::try_from(site_id.clone()).context("--site")?.as_str().to_owned());
        }
        let mut misplaced = Vec::new();
        for number in now.0.keys() {
            let partition = u16::try_from(*number).ok().and_then(Partition::numbered);
            let partition = partition.with_context(|| format!("{number} is no partition"))?;
            match Stream::find(&context.jetstream, partition).await {
                Ok(stream) => {
                    let counted_in = Slice { generation: active.id, partition };
                    let missing = stream_start::missing_until(&context.pool, counted_in, &stream).await?;
                    ensure!(
                        missing == 0,
                        "the log of partition {partition} begins at sequence {}: nothing can be proved about what was \
                     counted before",
                        missing + 1
                    );
                    shadow.add_partition(context, &fold, Slice { generation: shadow.id, partition }).await?;
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
    async fn beyond_the_end(&self, place: &Positions) -> anyhow::Result<Vec<String>> {
        let context = self.context;
        let mut misplaced = Vec::new();
        for (number, sequence) in &place.0 {
            let Some(partition) = u16::try_from(*number).ok().and_then(Partition::numbered) else { continue };
            let Ok(stream) = Stream::find(&context.jetstream, partition).await else { continue };
            let last = i64::try_from(stream.last_sequence()).unwrap_or(i64::MAX);
            if *sequence > last {
                misplaced
                    .push(format!("checkpoint of partition {partition}: expected {last} at most, found {sequence}"));
            }
        }
        Ok(misplaced)
    }

    async fn compare(
        &self,
        other: &mut PgConnection,
        shadow: &Shadow,
        snapshot: &mut PgConnection,
    ) -> sqlx::Result<Comparison> {
        let Self { active, narrow, .. } = self;
        let mut difference = narrow.printer();
        let mut progress = CommandProgress::of("Comparing", 0, "rows");
        let watcher = &mut Watcher { difference: &mut difference, progress: &mut |rows| progress.set(rows, rows) };
        let expected = Side { db: other, generation: shadow.id };
        let found = Side { db: snapshot, generation: active.id };
        let scope = narrow.scope();
        let extent = Extent { scope: &scope, fold_version: active.identity.fold_version };
        let compared = compare::compare(expected, found, extent, watcher).await;
        progress.end();
        compared
    }

    /// Compares the summaries of months with their days, which have been compared with the log.
    async fn check_months(&self, snapshot: &mut PgConnection) -> Result<Comparison, NotSummed> {
        let Self { active, narrow, .. } = self;
        let mut left = narrow.limit;
        let mut difference = |difference: &str| {
            if left > 0 {
                println!("{difference}");
            }
            left = left.saturating_sub(1);
        };
        let mut progress = CommandProgress::of("Checking", 0, "months");
        let watcher = &mut month_summaries::Watcher {
            difference: &mut difference,
            progress: &mut |months| progress.set(months, months),
        };
        let checked = month_summaries::check(snapshot, active.id, &narrow.scope(), watcher).await;
        progress.end();
        checked
    }
}

/// Folds up to a place, or to the end of the log where that comes first, and shows how far it is.
async fn fold(shadow: &mut Shadow, place: &Positions) -> anyhow::Result<()> {
    let steps: i64 = place.0.values().sum();
    let mut progress = CommandProgress::of("Folding", steps.unsigned_abs(), "envelopes");
    let counts = shadow.counts();
    let until =
        |slice: Slice| place.0.get(&i32::from(slice.partition.number())).map_or(0, |sequence| sequence.unsigned_abs());
    let folding = shadow.fold(until);
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
