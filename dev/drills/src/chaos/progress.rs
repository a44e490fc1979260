//! A line every few seconds.

use std::fmt::Write;
use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep, timeout};

use crate::chaos::run::Run;
use testkit::stack::DATABASE;

/// Between two lines.
const INTERVAL: Duration = Duration::from_secs(4);

/// Postgres may be down or frozen: then the line shows what it said last.
const COUNT_TIMEOUT: Duration = Duration::from_secs(1);

/// Prints until the run is over.
pub(in crate::chaos) async fn show(run: &Run) -> Result<()> {
    let pool = run.stack.database(DATABASE)?;
    let mut counted = 0;
    while !run.is_over.get() {
        let asking = sqlx::query_scalar::<_, i64>("select coalesce(sum(views), 0)::bigint from view_total");
        if let Ok(Ok(views)) = timeout(COUNT_TIMEOUT, asking.fetch_one(&pool)).await {
            counted = views;
        }
        println!("{}", line(run, counted));
        sleep(INTERVAL).await;
    }
    Ok(())
}

fn line(run: &Run, counted: i64) -> String {
    let left = run.until.saturating_duration_since(Instant::now());
    let mut line = format!("{} done, {} left | kills", minutes(run.begun.elapsed()), minutes(left));
    let strikes = run.outages.borrow().strikes();
    for (kind, strikes) in &strikes {
        write!(line, " {kind} {}", strikes.kills).expect("a string takes all");
    }
    let freezes: u64 = strikes.values().map(|strikes| strikes.freezes).sum();
    let (events, tally) = (run.account.borrow().events, run.tally.borrow());
    write!(
        line,
        " | freezes {freezes} | cuts {} | acknowledged {events}, counted {counted}, retries {}, resends {}",
        tally.cuts, tally.retries, tally.resends
    )
    .expect("a string takes all");
    line
}

/// `12:05`.
pub(in crate::chaos) fn minutes(duration: Duration) -> String {
    format!("{}:{:02}", duration.as_secs() / 60, duration.as_secs() % 60)
}
