//! The guards of exactly-once, taken out one at a time. Ends with success only if the absence of each is noticed.

use std::process::ExitCode;

use clap::Parser;
use drills::mutants::{self, Options};

fn main() -> ExitCode {
    let options = Options::parse();
    println!("up to {} minutes, and some for building", options.estimate().as_secs().div_ceil(60));
    drills::run_to_end(async {
        let verdicts = mutants::run(&options).await?;
        print!("{verdicts}");
        Ok(verdicts.is_pass())
    })
}
