//! Drills: programs that run a whole Tidemark for minutes and judge it, where an end-to-end test takes seconds.

/// The chaos run: kills, freezes, cuts and clock jumps under load, and a comparison to the event.
pub mod chaos;

/// Mutation test: each guard is taken out of a copy of the project, and something has to notice.
pub mod mutants;

/// A rebuild of a large log under live traffic.
pub mod rebuild_drill;

/// The recipes of `nats/README.md`, carried out.
pub mod runbook;

/// Random requests against the OpenAPI descriptions of both services.
pub mod api_fuzz;

/// As many connections as ingest must endure.
pub mod load_test;

use std::process::ExitCode;

/// Runs a drill until its end or Ctrl-C. Success is a drill whose answer is true; an error is printed.
pub fn run_to_end(drill: impl Future<Output = anyhow::Result<bool>>) -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a machine that runs a drill has threads");
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = drill => Some(outcome),
            _ = tokio::signal::ctrl_c() => None,
        }
    });
    match outcome {
        Some(Ok(true)) => return ExitCode::SUCCESS,
        Some(Ok(false)) => {}
        Some(Err(err)) => eprintln!("{err:#}"),
        None => eprintln!("stopped"),
    }
    ExitCode::FAILURE
}
