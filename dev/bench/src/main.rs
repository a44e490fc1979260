//! Measures Tidemark against what the machine could do, and against what one would write instead, on real servers that
//! it starts by itself. Absolute times differ between machines; what counts are the ratios within one run.
//!
//! ```text
//! cargo run --release -p bench              # everything
//! cargo run --release -p bench -- report    # one scenario
//! ```

/// What it can be asked for.
mod options;

/// One scenario each.
mod scenario;

/// Servers to compare with.
mod server;

/// The stack that is measured.
mod rig;

/// Load over HTTP, as fast as it goes or at a given rate.
mod load;

/// One connection to an HTTP server.
mod http;

/// Events like those of real sites.
mod events;

/// What the log takes on disk.
mod disk;

/// CPU time of processes.
mod usage;

/// Figures, and whether they keep what is promised.
mod findings;

use std::process::ExitCode;

use clap::Parser;
use options::Options;

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = tokio::select! {
        outcome = scenario::run(Options::parse()) => outcome,
        _ = tokio::signal::ctrl_c() => {
            eprintln!("stopped");
            return ExitCode::FAILURE;
        }
    };
    outcome.unwrap_or_else(|err| {
        eprintln!("{err:#}");
        ExitCode::FAILURE
    })
}
