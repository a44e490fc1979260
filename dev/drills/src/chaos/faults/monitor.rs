//! Kills, freezes and restarts.

use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future;
use launcher::process::Process;
use tokio::time::{sleep, sleep_until};

use crate::chaos::faults::breaches::Breach;
use crate::chaos::faults::orders::{Order, Orders};
use crate::chaos::faults::plan::{Fault, Plan, Strike};
use crate::chaos::faults::target::Target;
use crate::chaos::run::Run;
use crate::chaos::verdict::findings::Kind;

/// Between two tries to start what ended by itself.
const START_PAUSE: Duration = Duration::from_millis(500);

/// How often in a row a process may end at its start: after that the run has nothing left to show.
const STARTS_MAX: u32 = 20;

/// Starts everything, undisturbed.
pub(in crate::chaos) async fn start_all(run: &Run) -> Result<Vec<(Target, Process)>> {
    let mut processes = Vec::new();
    for target in Target::ALL {
        let process = target.start(run).await.with_context(|| format!("starting {}", target.name()))?;
        processes.push((target, process));
    }
    Ok(processes)
}

/// Makes faults until the run's time is over. All processes run when it ends.
pub(in crate::chaos) async fn disturb_all(
    run: &Run,
    processes: Vec<(Target, Process)>,
) -> Result<Vec<(Target, Process)>> {
    future::try_join_all(processes.into_iter().map(|(target, process)| disturb(run, target, process))).await
}

async fn disturb(run: &Run, target: Target, mut process: Process) -> Result<(Target, Process)> {
    let mut orders = if target == Target::Nats { run.orders.taken() } else { Orders::none() };
    for strike in Plan::of(run.seed, target, run.options.calm_seconds) {
        tokio::select! {
            biased;
            () = sleep_until(run.until) => break,
            status = process.exit().wait() => {
                // Ingest refuses to start on a log that breaks a promise, as a supervisor sees it, too.
                if target == Target::Ingest && run.breaches.borrow().is_open() {
                    sleep(START_PAUSE).await;
                } else {
                    let said = process.log_tail(5);
                    run.note(Kind::Ended, 1, || format!("{} ended by itself ({status}): {said}", target.name()));
                }
                process = start(run, target).await?;
            }
            order = orders.next() => process = obey(run, process, order).await?,
            () = sleep(strike.calm) => process = apply(run, target, process, strike).await?,
        }
    }
    if target == Target::Ingest {
        process = outlive_breaches(run, process).await?;
    }
    Ok((target, process))
}

/// Starts ingest again where it refused to start on a log that broke a promise when the run's time was over.
async fn outlive_breaches(run: &Run, mut process: Process) -> Result<Process> {
    while run.breaches.borrow().is_open() {
        tokio::select! {
            _ = process.exit().wait() => {
                sleep(START_PAUSE).await;
                process = start(run, Target::Ingest).await?;
            }
            () = sleep(START_PAUSE) => {}
        }
    }
    Ok(process)
}

/// Does to the log's server what a nemesis has asked for.
async fn obey(run: &Run, mut process: Process, order: Order) -> Result<Process> {
    run.outages.borrow_mut().begin(Target::Nats, Fault::Kill(Duration::ZERO));
    process.kill().await;
    if let Some(unsynced) = &order.unsynced {
        // Until the server is there it acknowledges nothing.
        process = run.stack.nats.start_again_with(&unsynced.conf).await.context("starting nats-server unsynced")?;
        run.breaches.borrow_mut().begin(Breach::Unsynced);
        sleep(unsynced.span).await;
        process.kill().await;
        run.breaches.borrow_mut().end();
    }
    sleep(order.down).await;
    let process = start(run, Target::Nats).await?;
    run.outages.borrow_mut().end(Target::Nats);
    order.done();
    Ok(process)
}

async fn apply(run: &Run, target: Target, mut process: Process, strike: Strike) -> Result<Process> {
    run.outages.borrow_mut().begin(target, strike.fault);
    match strike.fault {
        Fault::Kill(down) => {
            process.kill().await;
            sleep(down).await;
            process = start(run, target).await?;
        }
        Fault::Freeze(span) => {
            process.freeze().with_context(|| format!("freezing {}", target.name()))?;
            sleep(span).await;
            process.thaw();
        }
    }
    run.outages.borrow_mut().end(target);
    Ok(process)
}

/// A service that cannot be started because another process is down is a finding: it should wait instead.
async fn start(run: &Run, target: Target) -> Result<Process> {
    let mut starts = 0;
    loop {
        match target.start(run).await {
            Ok(process) => return Ok(process),
            Err(err) if starts < STARTS_MAX => {
                starts += 1;
                run.note(Kind::Ended, 1, || format!("{} did not start: {err:#}", target.name()));
                sleep(START_PAUSE).await;
            }
            Err(err) => return Err(err.context(format!("starting {}", target.name()))),
        }
    }
}
