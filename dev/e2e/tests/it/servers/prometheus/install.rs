//! Prometheus, for tests of metrics and alerts: found on PATH or among the project's downloads, else unpacked from the
//! distribution's package. Unpacked, not installed: the package would start a server of the system.

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, ensure};
use launcher::install::{Version, apt, create_folder, found_or_installed, install_log, on_path};
use launcher::workspace::Workspace;

/// Oldest version whose `promtool` has the checks that tests need.
const OLDEST: Version = Version::new(2, 30);

const FOLDER: &str = "prometheus";

/// The server and `promtool`, of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PrometheusPrograms {
    /// The server.
    pub(crate) server: PathBuf,
    /// Checks and tests rules.
    pub(crate) promtool: PathBuf,
}

impl PrometheusPrograms {
    /// `None` unless both exist and are new enough.
    fn of(server: PathBuf) -> Option<Self> {
        let promtool = server.with_file_name("promtool");
        let is_new_enough = |program| Version::of(program) >= Some(OLDEST);
        (is_new_enough(&server) && is_new_enough(&promtool)).then_some(Self { server, promtool })
    }
}

/// The Prometheus to run, unpacked into the project's data folder if this machine has none.
///
/// # Errors
///
/// One sentence that says what to install when that is not possible.
pub(crate) async fn prometheus(workspace: &Workspace) -> Result<PrometheusPrograms> {
    let found = found_or_installed(workspace, || find(workspace), unpack(workspace)).await;
    found.map_err(|err| {
        anyhow!(
            "Prometheus {OLDEST} or newer was not found and cannot be unpacked ({err:#}): put prometheus and promtool \
             on the PATH and start again."
        )
    })
}

fn find(workspace: &Workspace) -> Option<PrometheusPrograms> {
    let mut servers = on_path("prometheus");
    servers.push(program_in(workspace));
    servers.into_iter().find_map(PrometheusPrograms::of)
}

async fn unpack(workspace: &Workspace) -> Result<PrometheusPrograms> {
    let folder = create_folder(workspace, FOLDER, async |draft| {
        apt::unpack("Downloading Prometheus", "prometheus", draft, install_log(workspace)).await
    });
    folder.await?;
    let server = program_in(workspace);
    ensure!(server.is_file(), "the package has no {}", server.display());
    PrometheusPrograms::of(server).context("what the package has does not run on this machine, or is too old")
}

fn program_in(workspace: &Workspace) -> PathBuf {
    workspace.data().join(FOLDER).join("usr/bin/prometheus")
}
