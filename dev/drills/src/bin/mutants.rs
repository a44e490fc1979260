//! The guards of exactly-once, taken out one at a time. Ends with success only if the absence of each is noticed.

use std::process::ExitCode;

use clap::Parser;
use drills::mutants::{self, Options};

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    println!("up to {} minutes, and some for building", options.estimate().as_secs().div_ceil(60));
    let verdicts = tokio::select! {
        verdicts = mutants::run(&options) => verdicts,
        _ = tokio::signal::ctrl_c() => {
            eprintln!("stopped");
            return ExitCode::FAILURE;
        }
    };
    match verdicts {
        Ok(verdicts) => {
            print!("{verdicts}");
            if verdicts.is_pass() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(err) => {
            eprintln!("{err:#}");
            ExitCode::FAILURE
        }
    }
}
