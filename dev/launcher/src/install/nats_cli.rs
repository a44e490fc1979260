//! The nats CLI, an operator's tool: found on PATH, among Go's programs or among the project's downloads, else built by
//! Go. The stack runs without it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{Version, create_folder, found_or_installed, go, install_log, on_path};
use crate::process::{self, Launch};
use crate::progress;
use crate::workspace::Workspace;

/// Oldest version with `nats backup`, which `nats/README.md` uses.
const OLDEST: Version = Version::new(0, 5);

/// Module that Go builds. Go checks it against its public list of checksums.
const MODULE: &str = "github.com/nats-io/natscli/nats@v0.5.1";

/// Folder of the built program.
const FOLDER: &str = "nats-cli-0.5.1";

/// The nats CLI, built into the project's data folder if this machine has none and Go is there.
///
/// # Errors
///
/// One sentence that says what to install when that is not possible.
pub async fn nats_cli(workspace: &Workspace) -> Result<PathBuf> {
    found_or_installed(workspace, || find(workspace), install(workspace)).await
}

/// The folder of the nats CLI, also if it is not installed yet.
pub fn nats_cli_folder(workspace: &Workspace) -> PathBuf {
    let program = find(workspace).unwrap_or_else(|| program_in(&workspace.data().join(FOLDER)));
    program.parent().expect("a program lies in a folder").to_owned()
}

/// Commands of a shell that print how to build the nats CLI if it is not on the PATH.
pub fn nats_cli_advice(workspace: &Workspace) -> String {
    let folder = workspace.data().join(FOLDER);
    format!(
        "command -v nats > /dev/null || cat >&2 <<'ADVICE'\nThere is no nats CLI on the PATH. Go builds it: GOBIN={:?} go \
         install {MODULE}\nADVICE\n",
        folder.display().to_string()
    )
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
    let folder = create_folder(workspace, FOLDER, async |draft| {
        let mut command = Command::new(go);
        command.args(["install", MODULE]).env("GOBIN", draft);
        // Settings for cross-compilation contradict GOBIN.
        command.env_remove("GOOS").env_remove("GOARCH");
        let launch = Launch::new("go install", command).log(install_log(workspace));
        let build = progress::step("Building the nats CLI", process::run(launch)).await;
        ensure!(
            build.is_ok(),
            "The nats CLI was not found, and Go cannot build it and said why in {}: put `nats` {OLDEST} or newer on the \
             PATH and start again.",
            install_log(workspace).display()
        );
        ensure!(Version::of(&program_in(draft)) >= Some(OLDEST), "The nats CLI that Go built does not run.");
        Ok(())
    });
    Ok(program_in(&folder.await?))
}

fn program_in(folder: &Path) -> PathBuf {
    folder.join("nats")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// Output of a shell that runs the advice with only one folder on its PATH, with or without a `nats`.
    fn said(has_nats: bool) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        std::os::unix::fs::symlink("/bin/cat", folder.path().join("cat")).expect("a link");
        if has_nats {
            let program = program_in(folder.path());
            fs::write(&program, "#!/bin/sh\n").expect("written");
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("executable");
        }
        let workspace = Workspace::find().expect("the project");
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &nats_cli_advice(&workspace)]).env("PATH", folder.path());
        let output = shell.output().expect("a shell");
        assert!(output.stdout.is_empty() && output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).expect("text")
    }

    #[test]
    fn a_shell_without_the_cli_is_told_how_to_build_it() {
        let advice = said(false);
        assert!(advice.contains("GOBIN=") && advice.contains(&format!("go install {MODULE}")), "{advice}");
        assert_eq!(said(true), "");
    }
}
