//! Both services, asked at random as they describe themselves. Takes the path of Schemathesis. Ends with success only if
//! every answer is one that is described.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use drills::api_fuzz;

#[derive(Parser)]
struct Options {
    /// The program `schemathesis`; `.ci/from-pypi schemathesis 4.32.5` installs it and says where it is.
    schemathesis: PathBuf,
}

fn main() -> ExitCode {
    let options = Options::parse();
    drills::run_to_end(api_fuzz::run(&options.schemathesis))
}
