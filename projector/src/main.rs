//! The process that folds the log into read models.

use clap::{Parser, Subcommand};
use projector::config::{Config, MigrateConfig};

/// Folds the log into Postgres read models, exactly once. Configured by the environment: see .env.example.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Follow the log (the default).
    Run,
    /// Bring the database to this version's schema, as its owner, and end.
    Migrate,
    #[command(flatten)]
    Operate(projector::Task),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().command.unwrap_or(Command::Run) {
        Command::Run => {
            let config: Config = service::config::from_env()?;
            service::logging::init(config.log_format);
            projector::run(config, service::shutdown::on_signal()?).await
        }
        Command::Operate(task) => projector::operate(service::config::from_env::<Config>()?, task).await,
        Command::Migrate => {
            let config: MigrateConfig = service::config::from_env()?;
            service::logging::init(config.log_format);
            projector::migrate::migrate(&config).await
        }
    }
}
