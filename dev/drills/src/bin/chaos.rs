//! The chaos run as a command. Ends with success only if everything that was acknowledged is counted once.

use std::process::ExitCode;

use clap::Parser;
use drills::chaos::{self, Options};

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = tokio::select! {
        outcome = chaos::run(Options::parse()) => outcome,
        _ = tokio::signal::ctrl_c() => {
            eprintln!("stopped: nothing was compared");
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
