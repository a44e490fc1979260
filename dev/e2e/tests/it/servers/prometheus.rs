//! Prometheus, for tests of metrics and alerts.

/// Finds Prometheus, or unpacks it.
mod install;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use launcher::ports;
use launcher::process::{Launch, Process};
use launcher::servers::{answering, start_on_ports};
use launcher::workspace::Workspace;

/// A running Prometheus, killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Prometheus {
    port: u16,
    _process: Process,
}

impl Prometheus {
    /// Starts Prometheus with this configuration, and with its data and log in `dir`, which is created if it is missing.
    ///
    /// # Errors
    ///
    /// Prometheus is missing and cannot be unpacked, or does not start.
    pub(crate) async fn start(dir: &Path, configuration: &Path) -> Result<Self> {
        let program = install::prometheus(&Workspace::find()?).await?.server;
        fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
        let start = async |[port]: [u16; 1]| on(port, &program, dir, configuration).await;
        let started = start_on_ports([ports::free()], start);
        let (process, [port]) = started.await?;
        Ok(Self { port, _process: process })
    }

    /// Port of HTTP.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

/// Runs `promtool`, which checks and tests configurations and rules, and returns its output.
///
/// # Errors
///
/// `promtool` fails, or is missing and cannot be unpacked.
pub(crate) async fn promtool(dir: &Path, arguments: &[&str]) -> Result<String> {
    let program = install::prometheus(&Workspace::find()?).await?.promtool;
    let mut command = tokio::process::Command::new(program);
    let output = command.current_dir(dir).args(arguments).kill_on_drop(true).output().await?;
    let output_text =
        [output.stdout, output.stderr].map(|output_text| String::from_utf8_lossy(&output_text).into_owned()).concat();
    ensure!(output.status.success(), "promtool {arguments:?}: {output_text}");
    Ok(output_text)
}

async fn on(port: u16, program: &Path, dir: &Path, configuration: &Path) -> Result<Option<Process>> {
    let mut command = Command::new(program);
    command.arg("--config.file").arg(configuration).arg("--storage.tsdb.path").arg(dir.join("data"));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
    let process = Process::start(Launch::new("prometheus", command).log(dir.join("prometheus.log")))?;
    answering(process, port, &format!("http://127.0.0.1:{port}/-/ready")).await
}
