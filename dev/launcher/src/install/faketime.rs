//! libfaketime, with which tests start a program whose clock is wrong: found where Debian puts it, else unpacked from the
//! distribution's package. It has no effect on Go programs, which ask the kernel themselves.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{apt, found_or_installed, install_log};
use crate::workspace::{self, Workspace};

const FOLDER: &str = "libfaketime";

/// The library of programs with several threads, in a folder named by the machine's architecture.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// The library for `LD_PRELOAD`; `FAKETIME` then says by how much the clock is off.
///
/// # Errors
///
/// The package cannot be had; the message says where apt-get said why.
pub async fn libfaketime(workspace: &Workspace) -> Result<PathBuf> {
    found_or_installed(workspace, || find(workspace), unpack(workspace)).await
}

fn find(workspace: &Workspace) -> Option<PathBuf> {
    [PathBuf::from("/"), workspace.data().join(FOLDER)].iter().find_map(|root| library_in(root))
}

fn library_in(root: &Path) -> Option<PathBuf> {
    let architectures = std::fs::read_dir(root.join("usr/lib")).ok()?;
    architectures.flatten().map(|folder| folder.path().join(LIBRARY)).find(|library| library.is_file())
}

async fn unpack(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.data().join(FOLDER);
    // Renamed when it is whole: an interrupted installation is never taken for a good one.
    let draft = workspace.data().join(format!("{FOLDER}.draft"));
    workspace::remove(&draft)?;
    workspace::remove(&folder)?;
    std::fs::create_dir_all(&draft).with_context(|| format!("creating {}", draft.display()))?;
    apt::unpack("Downloading libfaketime", "libfaketime", draft.clone(), install_log(workspace)).await?;
    std::fs::rename(&draft, &folder).with_context(|| format!("renaming {}", draft.display()))?;
    library_in(&folder).context("the package libfaketime has no library in it")
}
