//! One scenario each, and all of them one after the other.

/// One event a request.
mod ingest;

/// Many events a request.
mod batches;

/// From the 200 to the report.
mod freshness;

/// Replay of the log.
mod rebuild;

/// Events a second that are counted in time.
mod live;

/// A thousand clients that watch.
mod live_clients;

/// Reports.
mod report;

/// What an event costs as there are more of them.
mod growth;

/// What one would write instead.
mod instead;

/// What recognising repeats costs.
mod repeats;

use std::process::ExitCode;

use anyhow::{Context, Result};
use tokio::time::Instant;

use crate::findings::Findings;
use crate::options::{Options, Scenario};
use crate::server;

const ALL: [Scenario; 10] = [
    Scenario::Ingest,
    Scenario::Batches,
    Scenario::Freshness,
    Scenario::Rebuild,
    Scenario::Live,
    Scenario::LiveClients,
    Scenario::Report,
    Scenario::Growth,
    Scenario::Instead,
    Scenario::Repeats,
];

/// Runs what is asked for. A missed target is a figure like any other, not a failure.
pub(crate) async fn run(options: Options) -> Result<ExitCode> {
    match options.scenario {
        Scenario::ServeCeiling => server::ceiling::run(options.port).await?,
        Scenario::ServeSelect => server::select::run(options.port).await?,
        Scenario::ServeInstead => server::instead::run(options.port).await?,
        Scenario::All => measure(&options, &ALL).await?,
        one => measure(&options, &[one]).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn measure(options: &Options, scenarios: &[Scenario]) -> Result<()> {
    std::fs::create_dir_all(&options.out).with_context(|| format!("making {}", options.out.display()))?;
    let begun = Instant::now();
    let mut findings = Findings::default();
    for (number, scenario) in (1..).zip(scenarios) {
        println!(
            "\n{number} of {}: {scenario:?}, {:.0} s after the start",
            scenarios.len(),
            begun.elapsed().as_secs_f64()
        );
        measure_one(*scenario, options, &mut findings).await.with_context(|| format!("{scenario:?}"))?;
        findings.save(&options.out.join("findings.json"))?;
    }
    println!("\n{findings}\nFigures are in {}. It took {:.0} s.", options.out.display(), begun.elapsed().as_secs_f64());
    Ok(())
}

async fn measure_one(scenario: Scenario, options: &Options, findings: &mut Findings) -> Result<()> {
    let scale = options.scale();
    match scenario {
        Scenario::Ingest => ingest::run(scale, findings).await,
        Scenario::Batches => batches::run(scale, findings).await,
        Scenario::Freshness => freshness::run(scale, findings).await,
        Scenario::Rebuild => rebuild::run(scale, findings).await,
        Scenario::Live => live::run(scale, findings).await,
        Scenario::LiveClients => live_clients::run(scale, findings).await,
        Scenario::Report => report::run(scale, findings).await,
        Scenario::Growth => growth::run(scale, findings).await,
        Scenario::Instead => instead::run(scale, findings).await,
        Scenario::Repeats => repeats::run(options.smoke, findings).await,
        Scenario::All | Scenario::ServeCeiling | Scenario::ServeSelect | Scenario::ServeInstead => Ok(()),
    }
}
