//! The process `query`. Its configuration comes from the environment: see [`query::Config`].

use anyhow::Context;
use query::Config;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = service::command::parse("query", "Answers reports from the read models.", &query::VARIABLES);
    let config: Config = service::config::from_env()?;
    if options.check_config {
        return service::command::answer_check(&config, config.check());
    }
    service::logging::init(config.log_format);
    let shutdown = service::shutdown::on_signal()?;
    let address = config.query_listen;
    let listener = TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))?;
    query::run(config, listener, shutdown).await
}
