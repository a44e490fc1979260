//! The recipes of `nats/README.md`, carried out. Ends with success only if each prints what the file says.

use std::process::ExitCode;

use drills::runbook;

fn main() -> ExitCode {
    drills::run_to_end(async { Ok(runbook::run().await? == 0) })
}
