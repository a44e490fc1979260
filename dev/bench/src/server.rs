//! Servers to compare with. Each is a process of its own, as ours are.

/// Parses, checks, and stores nothing.
pub(crate) mod ceiling;

/// Answers `select 1`.
pub(crate) mod select;

/// What one would write instead.
pub(crate) mod instead;

use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::Router;
use launcher::ports;
use launcher::process::{Launch, Process};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

/// A server is there within this time.
const START_LIMIT: Duration = Duration::from_secs(10);

/// One that runs.
pub(crate) struct Server {
    pub(crate) port: u16,
    _process: Process,
}

impl Server {
    /// Starts this program once more, as one of the servers.
    pub(crate) async fn start(scenario: &str, environment: &[(&str, &str)]) -> Result<Self> {
        let port = ports::free();
        let mut command = Command::new(std::env::current_exe()?);
        command.args([scenario, "--port", &port.to_string()]).envs(environment.iter().copied());
        let process = Process::start(Launch::new(scenario, command))?;
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
            ensure!(begun.elapsed() < START_LIMIT && process.exit_status().is_none(), "{scenario} does not start");
            sleep(Duration::from_millis(10)).await;
        }
        Ok(Self { port, _process: process })
    }
}

/// Serves as our services do.
async fn serve(port: u16, router: Router) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.context("listening")?;
    service::listener::serve(
        listener,
        service::listener::Connections::default(),
        router,
        service::shutdown::on_signal()?,
    )
    .await;
    Ok(())
}

fn database_url() -> Result<String> {
    std::env::var("DATABASE_URL").context("DATABASE_URL")
}
