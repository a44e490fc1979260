//! The whole of Tidemark with one command.

use std::process::ExitCode;

use clap::Parser;
use launcher::options::Options;

#[tokio::main]
async fn main() -> ExitCode {
    match launcher::run::run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("{err:#}");
            ExitCode::FAILURE
        }
    }
}
