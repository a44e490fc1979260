//! Process that accepts events.

use anyhow::Context;
use contract::SiteId;
use ingest::config::{Config, KEYS_FILE};
use service::cli::{Server, TRACES};
use tokio::net::TcpListener;

const SERVER: Server = Server {
    name: "ingest",
    about: "Accepts events over HTTP and acknowledges each once the log has it on disk",
    variables: &TRACES,
    keys_variable: KEYS_FILE,
    check_site: |text| SiteId::try_from(text.to_owned()).map(drop).map_err(|err| err.to_string()),
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Some(config) = SERVER.configure::<Config>().await? else { return Ok(()) };
    // Kept until the end, where it sends the remaining spans.
    let _traces = service::traces::init("tidemark-ingest")?;
    let shutdown = service::shutdown::on_signal()?;
    let address = config.ingest_listen;
    let listener = TcpListener::bind(address).await;
    let listener = listener.with_context(|| format!("listening on {address} (INGEST_LISTEN)"))?;
    ingest::run(config, listener, shutdown).await
}
