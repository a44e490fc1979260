//! A load test of ingest. Ends with success only if its memory and its answers are within bounds.

use std::process::ExitCode;

use clap::Parser;
use drills::load_test::{self, Options};

fn main() -> ExitCode {
    let options = Options::parse();
    drills::run_to_end(async { load_test::run(&options).await.map(|()| true) })
}
