//! The process that folds the log into read models.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use projector::config::{Config, MigrateConfig};
use service::cli::{Options, TRACES};

/// Folds the log into Postgres read models, exactly once. Configured by the environment: see .env.example.
#[derive(Parser)]
#[command(version = service::VERSION, after_help = service::cli::help::<Config>(&TRACES))]
struct Arguments {
    #[command(flatten)]
    options: Options,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Follow the log (the default).
    Run,
    /// Bring the database to this version's schema, as its owner (`DATABASE_URL`), and end. `PROJECTOR_DB_PASSWORD`
    /// and `QUERY_DB_PASSWORD` let the roles of projector and query log in.
    Migrate,
    #[command(flatten)]
    Operate(projector::Task),
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let Arguments { options, command } = Arguments::parse();
    if options.check_config {
        return service::cli::check_config::<Config>().map(|()| ExitCode::SUCCESS);
    }
    match command.unwrap_or(Command::Run) {
        Command::Run => {
            let config: Config = service::config::from_env()?;
            service::logging::init(config.log_format);
            // Kept to the end, where it sends what waits.
            let _traces = service::traces::init("tidemark-projector")?;
            projector::run(config, service::shutdown::on_signal()?).await?;
        }
        Command::Operate(task) => {
            let config: Config = service::config::from_env()?;
            // What a command answers goes to standard output, and only that.
            service::logging::init_for_command();
            return projector::operate(config, task).await;
        }
        Command::Migrate => {
            let config: MigrateConfig = service::config::from_env()?;
            service::logging::init(config.log_format);
            projector::read_models::migrate::migrate(&config).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
