//! nginx, for tests of services behind a proxy: found on PATH or among the project's downloads, else unpacked from the
//! distribution's package. Unpacked, not installed: the package would start a server of the system.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, anyhow, ensure};
use launcher::install::{apt, create_folder, found_or_installed, install_log, on_path};
use launcher::workspace::Workspace;

const FOLDER: &str = "nginx";

/// The nginx to run, unpacked into the project's data folder if this machine has none.
///
/// # Errors
///
/// One sentence that says what to install when that is not possible.
pub(crate) async fn nginx(workspace: &Workspace) -> Result<PathBuf> {
    let found = found_or_installed(workspace, || find(workspace), unpack(workspace)).await;
    found.map_err(|err| {
        anyhow!("nginx was not found and cannot be unpacked ({err:#}): put nginx on the PATH and start again.")
    })
}

fn find(workspace: &Workspace) -> Option<PathBuf> {
    let mut programs = on_path("nginx");
    programs.extend([PathBuf::from("/usr/sbin/nginx"), program_in(workspace)]);
    programs.into_iter().find(|program| runs(program))
}

/// Whether nginx runs; it prints its version to standard error.
fn runs(program: &Path) -> bool {
    let mut command = Command::new(program);
    command.arg("-v").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

async fn unpack(workspace: &Workspace) -> Result<PathBuf> {
    let folder = create_folder(workspace, FOLDER, async |draft| {
        apt::unpack("Downloading nginx", "nginx", draft, install_log(workspace)).await
    });
    folder.await?;
    let program = program_in(workspace);
    ensure!(program.is_file(), "the package has no {}", program.display());
    ensure!(runs(&program), "what the package has does not run on this machine");
    Ok(program)
}

fn program_in(workspace: &Workspace) -> PathBuf {
    workspace.data().join(FOLDER).join("usr/sbin/nginx")
}
