//! The nats CLI, an operator's tool: found on PATH, among Go's programs or among the project's downloads, else built by
//! Go. The stack runs without it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{Version, found_or_installed, go, install_log, on_path};
use crate::process::{self, Launch};
use crate::progress;
use crate::workspace::{self, Workspace};

/// The first with `nats backup`, which `nats/README.md` uses.
const OLDEST: Version = Version::new(0, 5);

/// What is built where there is none. Go checks it against its public list of checksums.
const MODULE: &str = "github.com/nats-io/natscli/nats@v0.5.1";

/// Where it is put.
const FOLDER: &str = "nats-cli-0.5.1";

/// The nats CLI, built into the project's data folder if this machine has none and Go is there.
///
/// # Errors
///
/// One sentence that says what to install when that is not possible.
pub async fn nats_cli(workspace: &Workspace) -> Result<PathBuf> {
    found_or_installed(workspace, || find(workspace), install(workspace)).await
}

/// The folder of the nats CLI: where it is, or where it would be put.
pub fn nats_cli_folder(workspace: &Workspace) -> PathBuf {
    let program = find(workspace).unwrap_or_else(|| program_in(&workspace.data().join(FOLDER)));
    program.parent().expect("a program lies in a folder").to_owned()
}

fn find(workspace: &Workspace) -> Option<PathBuf> {
    let mut programs = on_path("nats");
    programs.extend(std::env::var_os("HOME").map(|home| program_in(&PathBuf::from(home).join("go/bin"))));
    programs.push(program_in(&workspace.data().join(FOLDER)));
    programs.into_iter().find(|program| Version::of(program) >= Some(OLDEST))
}

async fn install(workspace: &Workspace) -> Result<PathBuf> {
    let go = go::go(workspace).await.with_context(|| {
        format!("The nats CLI {OLDEST} or newer was not found, and neither was Go, which could build it: put `nats` or `go` on the PATH and start again")
    })?;
    let folder = workspace.data().join(FOLDER);
    // Renamed when it is whole: an interrupted installation is never taken for a good one.
    let draft = workspace.data().join(format!("{FOLDER}.draft"));
    workspace::remove(&draft)?;
    workspace::remove(&folder)?;
    let mut command = Command::new(go);
    command.args(["install", MODULE]).env("GOBIN", &draft);
    // Settings of the user's for other machines than this one, which contradict GOBIN.
    command.env_remove("GOOS").env_remove("GOARCH");
    let launch = Launch::new("go install", command).log(install_log(workspace));
    let build = progress::step("Building the nats CLI", process::run(launch)).await;
    ensure!(
        build.is_ok(),
        "The nats CLI was not found, and Go cannot build it and said why in {}: put `nats` {OLDEST} or newer on the PATH \
         and start again.",
        install_log(workspace).display()
    );
    ensure!(Version::of(&program_in(&draft)) >= Some(OLDEST), "The nats CLI that Go built does not run.");
    fs::rename(&draft, &folder).with_context(|| format!("renaming {}", draft.display()))?;
    Ok(program_in(&folder))
}

fn program_in(folder: &Path) -> PathBuf {
    folder.join("nats")
}
