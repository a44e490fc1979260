//! The process `query`. Its configuration comes from the environment: see [`query::Config`].

use anyhow::Context;
use contract::SiteId;
use query::{Config, KEYS_FILE};
use service::cli::Server;
use tokio::net::TcpListener;

const SERVER: Server = Server {
    name: "query",
    about: "Answers reports from the read models",
    variables: &[],
    keys_variable: KEYS_FILE,
    check_site: |text| SiteId::try_from(text.to_owned()).map(drop).map_err(|err| err.to_string()),
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Some(config) = SERVER.configure::<Config>().await? else { return Ok(()) };
    let shutdown = service::shutdown::on_signal()?;
    let address = config.query_listen;
    let listener = TcpListener::bind(address).await;
    let listener = listener.with_context(|| format!("listening on {address} (QUERY_LISTEN)"))?;
    query::run(config, listener, shutdown).await
}
