//! Command line of `cargo run`.

use clap::Parser;

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (commit ", env!("TIDEMARK_COMMIT"), ")");

const AFTER_HELP: &str = "Environment:\n  RUST_LOG  Level of the services' log lines: error, warn, info, debug or trace [info]\n\n\
    Other variables of the services are set by this program; `--help` of each service lists them.";

/// Runs the whole of Tidemark on this machine: finds or installs its servers, builds its services, starts everything
/// on the loopback interface, and plays demo traffic. Ctrl-C stops everything; data stay in `.tidemark`.
#[derive(Clone, Debug, Parser)]
#[command(name = "tidemark", version = VERSION, after_help = AFTER_HELP)]
pub struct Options {
    /// Remove all data, passwords and ports of earlier runs
    #[arg(long)]
    pub(crate) fresh: bool,

    /// Play no demo traffic
    #[arg(long)]
    pub(crate) no_demo: bool,

    /// Port of ingest
    #[arg(long, value_name = "PORT", default_value_t = 3000)]
    pub(crate) ingest_port: u16,

    /// Port of query
    #[arg(long, value_name = "PORT", default_value_t = 3001)]
    pub(crate) query_port: u16,
}
