//! The end: the log is drained, everything is compared, everything is folded once more.

use std::time::Duration;

use anyhow::{Context, Result};
use launcher::process::Process;
use sqlx::PgPool;
use tokio::time::{Instant, sleep};

use crate::chaos::faults::target::Target;
use crate::chaos::run::Run;
use crate::chaos::verdict::comparison::{self, Views};
use crate::chaos::verdict::findings::Kind;
use crate::chaos::verdict::reports;
use testkit::observe::snapshot;
use testkit::stack::DATABASE;

/// Some checkpoint advances within this time until the log is folded to its end. Any backlog then comes to its end, and
/// how fast depends on what else the machine does.
const STALL_MAX: Duration = Duration::from_mins(1);

/// All of the log is folded within this time, however slowly checkpoints advance.
const DRAIN_MAX: Duration = Duration::from_mins(20);

/// Interval at which checkpoints are read.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// The database that is folded again.
const REBUILT: &str = "rebuilt";

/// What the comparison came to.
#[derive(Debug, Default)]
pub(in crate::chaos) struct Ending {
    /// Events in the read models, by site and event type.
    pub(in crate::chaos) counted: Views,
    /// By how many users the worst report is off.
    pub(in crate::chaos) users_error: u64,
    /// Events that were dropped because their `event_id` was known; `None` where there is no such table.
    pub(in crate::chaos) repeats: Option<u64>,
    /// From the last acknowledgement to the end of the log.
    pub(in crate::chaos) drained_in: Duration,
    /// Rows that came out equal, or not.
    pub(in crate::chaos) rows: u64,
}

/// Waits until the log is folded to its end, for as long as checkpoints advance.
async fn drain(run: &Run, database: &str) -> Result<Duration> {
    let pool = run.stack.database(database)?;
    let begun = Instant::now();
    let ends = run.stack.log_ends().await?;
    let (mut last, mut advanced_at) = (Vec::new(), begun);
    loop {
        let checkpoints = snapshot::checkpoints(&pool).await.context("reading checkpoints")?;
        if checkpoints == ends {
            return Ok(begun.elapsed());
        }
        if checkpoints != last {
            (last, advanced_at) = (checkpoints, Instant::now());
        } else if advanced_at.elapsed() > STALL_MAX || begun.elapsed() > DRAIN_MAX {
            let took = begun.elapsed();
            run.note(Kind::Unfinished, 1, || {
                format!("{database} is not folded after {took:?}: log {ends:?}, checkpoints {last:?}")
            });
            return Ok(took);
        }
        sleep(POLL_INTERVAL).await;
    }
}

/// Drains while reports are still watched.
pub(in crate::chaos) async fn drain_first(run: &Run) -> Result<Duration> {
    println!("no more faults; waiting until everything is folded");
    drain(run, DATABASE).await
}

/// Compares everything with the account, and with a second fold of the same log.
pub(in crate::chaos) async fn compare(run: &Run, processes: Vec<(Target, Process)>) -> Result<Ending> {
    let pool = run.stack.database(DATABASE)?;
    let counted = comparison::compare(run, &pool).await?;
    let users_error = reports::compare(run).await?;
    let repeats = repeats(run, &pool).await?;
    // The projectors of the run must not share the machine with the one that folds again, nor change what it is
    // compared with.
    for (target, process) in &processes {
        if let Some(status) = process.exit_status() {
            run.note(Kind::Ended, 1, || format!("{} ended by itself ({status})", target.name()));
        } else if target.kind() == "projector" {
            process.stop().await;
        }
    }
    let rows = fold_again(run, &pool).await?;
    Ok(Ending { counted, users_error, repeats, rows, drained_in: Duration::ZERO })
}

async fn repeats(run: &Run, pool: &PgPool) -> Result<Option<u64>> {
    let is_there = sqlx::query_scalar::<_, bool>("select to_regclass('repeat_total') is not null");
    if !is_there.fetch_one(pool).await? {
        return Ok(None);
    }
    let dropped = sqlx::query_scalar::<_, i64>("select coalesce(sum(repeats), 0)::bigint from repeat_total");
    let dropped = u64::try_from(dropped.fetch_one(pool).await.context("reading repeat_total")?)?;
    let resends = run.tally.borrow().resends;
    if dropped < resends {
        run.note(Kind::Repeats, resends - dropped, || format!("{resends} events were sent again, {dropped} dropped"));
    }
    Ok(Some(dropped))
}

/// One undisturbed projector folds the same log into another database: every row must be the same.
async fn fold_again(run: &Run, pool: &PgPool) -> Result<u64> {
    println!("folding the log once more");
    run.stack.create_database(REBUILT).await?;
    let _projector = run.stack.projector_named("projector-rebuilt", REBUILT, &[])?;
    drain(run, REBUILT).await?;
    let first = snapshot::read_models(pool).await?;
    let second = snapshot::read_models(&run.stack.database(REBUILT)?).await?;
    for (ours, others, whose) in [(&first, &second, "only in the first"), (&second, &first, "only in the rebuilt")] {
        // Pictures are sorted.
        for row in ours.iter().filter(|row| others.binary_search(row).is_err()) {
            let row: String = row.chars().take(300).collect();
            run.note(Kind::Rebuilt, 1, || format!("{whose}: {row}"));
        }
    }
    if first.len() != second.len() {
        run.note(Kind::Rebuilt, 1, || format!("{} rows, then {}", first.len(), second.len()));
    }
    Ok(first.len() as u64)
}
