//! Process that accepts events.

use anyhow::Context;
use clap::{Parser, Subcommand};
use contract::SiteId;
use ingest::config::{Config, KEYS_FILE, VARIABLES};
use service::access::KeysCommand;
use service::cli::Options;
use tokio::net::TcpListener;

/// Accepts events over HTTP and acknowledges each once the log has it on disk.
#[derive(Parser)]
#[command(version = service::VERSION, after_help = service::cli::help(&VARIABLES))]
struct Arguments {
    #[command(flatten)]
    options: Options,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Accept events (the default).
    Run,
    /// Create, list and revoke the keys of clients, in the file that `INGEST_KEYS_FILE` names.
    Keys(KeysCommand),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { options, command } = Arguments::parse();
    if options.check_config {
        let config: Config = service::config::from_env()?;
        return service::cli::answer_check(&config, config.check());
    }
    match command.unwrap_or(Command::Run) {
        Command::Run => run().await,
        Command::Keys(keys) => keys.run(KEYS_FILE, check_site).await,
    }
}

async fn run() -> anyhow::Result<()> {
    let config: Config = service::config::from_env()?;
    service::logging::init(config.log_format);
    // Kept until the end, where it sends the remaining spans.
    let _traces = service::traces::init("tidemark-ingest")?;
    let shutdown = service::shutdown::on_signal()?;
    let listener = TcpListener::bind(config.ingest_listen)
        .await
        .with_context(|| format!("listening on {} (INGEST_LISTEN)", config.ingest_listen))?;
    ingest::run(config, listener, shutdown).await
}

fn check_site(text: &str) -> Result<(), String> {
    SiteId::try_from(text.to_owned()).map(drop).map_err(|err| err.to_string())
}
