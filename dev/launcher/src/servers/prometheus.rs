//! Prometheus, for tests of metrics and alerts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{port_was_taken, start_on_ports};
use crate::install;
use crate::ports;
use crate::process::{Launch, Process};
use crate::progress;
use crate::ready;
use crate::workspace::Workspace;

/// A running Prometheus. Dropped, it is killed.
#[derive(Debug)]
pub struct Prometheus {
    port: u16,
    process: Process,
}

impl Prometheus {
    /// Starts a server with this configuration, and with its data and log in `dir`, which is made when it is missing.
    ///
    /// # Errors
    ///
    /// When Prometheus is missing and cannot be unpacked, or does not start.
    pub async fn start(dir: &Path, configuration: &Path) -> Result<Self> {
        let program = install::prometheus(&Workspace::find()?).await?.server;
        fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
        let start = async |[port]: [u16; 1]| on(port, &program, (dir, configuration)).await;
        let started = start_on_ports([ports::free()], start);
        let (process, [port]) = progress::step("Starting Prometheus", started).await?;
        Ok(Self { port, process })
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's process.
    pub fn process(&self) -> &Process {
        &self.process
    }
}

/// Runs `promtool` to its end: it checks and tests configurations and rules. Answers what it printed.
///
/// # Errors
///
/// What it complains of, or that it is missing and cannot be unpacked.
pub async fn promtool(dir: &Path, arguments: &[&str]) -> Result<String> {
    let program = install::prometheus(&Workspace::find()?).await?.promtool;
    let mut command = tokio::process::Command::new(program);
    let output = command.current_dir(dir).args(arguments).kill_on_drop(true).output().await?;
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    ensure!(output.status.success(), "promtool {arguments:?}: {said}");
    Ok(said)
}

async fn on(port: u16, program: &PathBuf, (dir, configuration): (&Path, &Path)) -> Result<Option<Process>> {
    let mut command = Command::new(program);
    command.arg("--config.file").arg(configuration).arg("--storage.tsdb.path").arg(dir.join("data"));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
    let process = Process::start(Launch::new("prometheus", command).log(dir.join("prometheus.log")))?;
    let client = ready::client()?;
    let url = format!("http://127.0.0.1:{port}/-/ready");
    // On a port lost to another one, that one would answer for ours.
    let is_ready = async || ready::answers(&client, &url).await && ports::is_held_by(port, process.pid());
    match ready::wait_for(&process, is_ready).await {
        Err(_) if port_was_taken(&process) => Ok(None),
        outcome => outcome.map(|()| Some(process)),
    }
}
