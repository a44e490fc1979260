//! The process `query`. Its configuration comes from the environment: see [`query::Config`].

use anyhow::Context;
use clap::{Parser, Subcommand};
use contract::SiteId;
use query::{Config, KEYS_FILE, VARIABLES};
use service::access::KeysCommand;
use service::cli::Options;
use tokio::net::TcpListener;

/// Answers reports from the read models.
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
    /// Answer reports (the default).
    Run,
    /// Make, show and revoke keys that clients need, where `QUERY_KEYS_FILE` names a file of them.
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
    let shutdown = service::shutdown::on_signal()?;
    let address = config.query_listen;
    let listener = TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))?;
    query::run(config, listener, shutdown).await
}

fn check_site(text: &str) -> Result<(), String> {
    SiteId::try_from(text.to_owned()).map(drop).map_err(|err| err.to_string())
}
