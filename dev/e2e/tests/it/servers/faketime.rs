//! libfaketime, with which tests start a program whose clock is wrong: found where Debian puts it, else unpacked from the
//! distribution's package. It has no effect on Go programs, which ask the kernel themselves.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use launcher::install::{apt, create_folder, found_or_installed, install_log};
use launcher::workspace::Workspace;

const FOLDER: &str = "libfaketime";

/// Path of the library for programs with threads, below a folder that is named by the machine's architecture.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// The library for `LD_PRELOAD`; the variable `FAKETIME` then sets the offset of the clock.
///
/// # Errors
///
/// The package cannot be downloaded; the message names the log of apt-get.
pub(crate) async fn libfaketime(workspace: &Workspace) -> Result<PathBuf> {
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
    let folder = create_folder(workspace, FOLDER, async |draft| {
        apt::unpack("Downloading libfaketime", "libfaketime", draft, install_log(workspace)).await
    });
    library_in(&folder.await?).context("the package libfaketime has no library in it")
}
