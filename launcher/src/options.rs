//! The command line.

use clap::Parser;

/// Runs the whole of Tidemark on this machine: finds or installs its servers, builds its services, starts everything
/// on the loopback interface, and plays demo traffic. Ctrl-C stops it; data stay in `.tidemark`.
#[derive(Clone, Debug, Parser)]
#[command(name = "tidemark", version)]
pub struct Options {
    /// Forget all data, passwords and ports of earlier runs
    #[arg(long)]
    pub(crate) fresh: bool,

    /// Play no demo traffic
    #[arg(long)]
    pub(crate) no_demo: bool,

    /// Where ingest listens
    #[arg(long, value_name = "PORT", default_value_t = 3000)]
    pub(crate) ingest_port: u16,

    /// Where query listens
    #[arg(long, value_name = "PORT", default_value_t = 3001)]
    pub(crate) query_port: u16,
}
