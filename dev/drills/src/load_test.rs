//! A load test: as many connections as ingest admits, with the largest body on each. Memory stays within its bound, and ingest
//! goes on answering.

/// Connections to ingest that are idle, slow, or carry the largest body.
mod connections;

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser;
use launcher::process::Process;
use testkit::observe::kernel::memory_peak_bytes;
use testkit::stack::Stack;

const MIB: u64 = 1 << 20;

/// Maximum wait for an answer: clients and services share few processors.
const PATIENCE: Duration = Duration::from_mins(2);

/// Loads ingest with as many connections as it must endure, and checks its memory and its answers.
#[derive(Clone, Debug, Parser)]
#[command(name = "load_test")]
pub struct Options {
    /// Connections to ingest, each of which posts the largest body
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub connections: u32,
}

/// Runs all of it.
///
/// # Errors
///
/// The stack cannot be started, or a bound is exceeded, or a service does not answer as it must.
pub async fn run(options: &Options) -> Result<()> {
    let mut stack = Stack::servers().await?;
    let outcome = connections::check(&stack, options.connections as usize).await;
    outcome.map_err(|err| err.context(format!("logs and data are in {}", stack.keep_folder().display())))
}

fn check_memory(what: &str, process: &Process, bound_bytes: u64) -> Result<()> {
    ensure!(process.exit_status().is_none(), "{what}: {} has ended", process.name());
    let peak = memory_peak_bytes(process.pid());
    println!("{what}: {} uses {} MiB at most; bound {} MiB", process.name(), peak / MIB, bound_bytes / MIB);
    ensure!(peak < bound_bytes, "{what}: {} uses too much memory", process.name());
    Ok(())
}
