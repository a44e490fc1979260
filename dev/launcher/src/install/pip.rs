//! pip: wheels of the Python package index, verified by the hashes in a file of the project.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::{apt, install_log};
use crate::process::{self, Launch};
use crate::progress;
use crate::workspace::Workspace;

/// Installs the pinned requirements in a file of the project into a folder. `step` is shown meanwhile.
///
/// # Errors
///
/// There is no pip, or it failed; the message names its log.
pub(super) async fn install(
    step: &'static str,
    requirements: &str,
    folder: &Path,
    workspace: &Workspace,
) -> Result<()> {
    let mut command = pip(workspace).await?;
    command
        .args(["install", "--disable-pip-version-check", "--no-input", "--no-deps"])
        .args(["--only-binary", ":all:", "--require-hashes", "--requirement"])
        .arg(workspace.root().join(requirements))
        .arg("--target")
        .arg(folder)
        // These settings contradict a target folder.
        .envs([("PIP_USER", "0"), ("PIP_REQUIRE_VIRTUALENV", "0")]);
    let launch = Launch::new("pip", command).log(install_log(workspace));
    let download = progress::step(step, process::run(launch)).await;
    ensure!(download.is_ok(), "pip failed and said why in {}", install_log(workspace).display());
    Ok(())
}

async fn pip(workspace: &Workspace) -> Result<Command> {
    if let Some(pip) = find_pip() {
        return Ok(pip);
    }
    apt::install("Installing pip", "python3-pip", install_log(workspace)).await?;
    find_pip().context("pip is still missing after the installation of python3-pip")
}

fn find_pip() -> Option<Command> {
    let candidates: [&[&str]; 3] = [&["python3", "-m", "pip"], &["pip3"], &["pip"]];
    candidates.into_iter().find_map(|words| {
        let mut pip = Command::new(words[0]);
        pip.args(&words[1..]);
        let mut probe = Command::new(words[0]);
        probe.args(&words[1..]).arg("--version");
        probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success()).then_some(pip)
    })
}
