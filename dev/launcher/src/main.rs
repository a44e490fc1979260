//! Runs the whole of Tidemark with one command.

use std::process::ExitCode;

use clap::Parser;
use launcher::stack::{self, Options};

#[tokio::main]
async fn main() -> ExitCode {
    match stack::run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("{err:#}");
            ExitCode::FAILURE
        }
    }
}
