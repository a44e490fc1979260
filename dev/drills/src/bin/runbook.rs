//! The recipes of `nats/README.md`, cooked. Ends with success only if each prints what the file says.

use std::process::ExitCode;

use drills::runbook;

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = tokio::select! {
        outcome = runbook::run() => outcome,
        _ = tokio::signal::ctrl_c() => {
            eprintln!("stopped");
            return ExitCode::FAILURE;
        }
    };
    match outcome {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(err) => {
            eprintln!("{err:#}");
            ExitCode::FAILURE
        }
    }
}
