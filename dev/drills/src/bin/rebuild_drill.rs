//! A rebuild under load as a command. Ends with success only if reports stayed right and quick, and everything that was
//! acknowledged is counted once.

use std::process::ExitCode;

use clap::Parser;
use drills::rebuild_drill::{self, Options};

fn main() -> ExitCode {
    let options = Options::parse();
    drills::run_to_end(async {
        let outcome = rebuild_drill::run(options).await?;
        print!("{outcome}");
        Ok(outcome.is_pass())
    })
}
