//! The process that accepts events.

use anyhow::Context;
use ingest::config::Config;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = service::command::parse(
        "ingest",
        "Accepts events over HTTP and acknowledges each once the log has it on disk.",
        &ingest::config::VARIABLES,
    );
    let config: Config = service::config::from_env()?;
    if options.check_config {
        return service::command::answer_check(&config, config.check());
    }
    service::logging::init(config.log_format);
    // Kept to the end, where it sends what waits.
    let _traces = service::traces::init("tidemark-ingest")?;
    let shutdown = service::shutdown::on_signal()?;
    let listener = TcpListener::bind(config.ingest_listen)
        .await
        .with_context(|| format!("listening on {} (INGEST_LISTEN)", config.ingest_listen))?;
    ingest::run(config, listener, shutdown).await
}
