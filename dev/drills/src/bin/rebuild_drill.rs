//! A rebuild under load as a command. Ends with success only if reports stayed right and quick, and everything that was
//! acknowledged is counted once.

use std::process::ExitCode;

use clap::Parser;
use drills::rebuild_drill::{self, Options};

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = tokio::select! {
        outcome = rebuild_drill::run(Options::parse()) => outcome,
        _ = tokio::signal::ctrl_c() => {
            eprintln!("stopped");
            return ExitCode::FAILURE;
        }
    };
    match outcome {
        Ok(outcome) => {
            print!("{outcome}");
            if outcome.is_pass() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(err) => {
            eprintln!("{err:#}");
            ExitCode::FAILURE
        }
    }
}
