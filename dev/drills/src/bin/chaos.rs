//! The chaos run as a command. Ends with success only if everything that was acknowledged is counted once.

use std::process::ExitCode;

use clap::Parser;
use drills::chaos::{self, Options};

fn main() -> ExitCode {
    let options = Options::parse();
    drills::run_to_end(async {
        let outcome = chaos::run(options).await?;
        print!("{outcome}");
        Ok(outcome.is_pass())
    })
}
