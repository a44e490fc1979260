//! A disk of its own for a test, which can be filled. It is a file system in memory that only this test sees: the test
//! runs once more inside, in a process with mounts of its own, as root or, where the kernel lets everybody do that,
//! as anybody.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

/// Tells the inner process where the disk is.
const VARIABLE: &str = "TIDEMARK_TEST_DISK";

/// Written at a time when the disk is filled: what is left afterwards is less.
const BALLAST_STEP: &[u8] = &[0; 4_096];

/// A disk that holds everything that the test writes into temporary folders.
#[derive(Debug)]
pub(crate) struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// In the outer process: runs the test of this name inside, to its end, and answers `None`. In the inner one:
    /// the disk.
    ///
    /// # Errors
    ///
    /// The test has failed inside, or there can be no such disk on this machine: in CI that is an error, elsewhere it
    /// is only said.
    pub(crate) fn of_test(name: &str, mebibytes: u32) -> Result<Option<Self>> {
        if let Some(folder) = std::env::var_os(VARIABLE) {
            return Ok(Some(Self { folder: folder.into() }));
        }
        let folder = tempfile::Builder::new().prefix("tidemark-disk-").tempdir().context("making a folder")?;
        if let Err(err) = run_inside(&folder, mebibytes, &["true"]) {
            ensure!(std::env::var_os("CI").is_none(), "no disk can be made here: {err:#}");
            eprintln!("NOT TESTED: no disk can be made here: {err:#}");
            return Ok(None);
        }
        let test = std::env::current_exe().context("looking for the test")?;
        let test = test.to_str().context("a path in UTF-8")?;
        run_inside(&folder, mebibytes, &[test, "--exact", name, "--nocapture"])?;
        Ok(None)
    }

    /// Writes until there is no room left.
    pub(crate) fn fill(&self) -> Result<()> {
        let mut ballast = File::options().create(true).append(true).open(self.ballast())?;
        loop {
            match ballast.write_all(BALLAST_STEP) {
                Ok(()) => {}
                Err(err) if err.kind() == io::ErrorKind::StorageFull => return Ok(()),
                Err(err) => return Err(err).context("filling the disk"),
            }
        }
    }

    /// Makes room again.
    pub(crate) fn free(&self) -> Result<()> {
        fs::remove_file(self.ballast()).context("making room on the disk")
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }
}

fn run_inside(folder: &TempDir, mebibytes: u32, command: &[&str]) -> Result<()> {
    const MOUNT: &str = r#"mount -t tmpfs -o size=$0m,mode=1777 tmpfs "$TMPDIR" && exec "$@""#;
    let mut unshare = Command::new("unshare");
    unshare.arg("--mount");
    if !rustix::process::geteuid().is_root() {
        unshare.args(["--map-current-user", "--keep-caps"]);
    }
    unshare.args(["sh", "-c", MOUNT, &mebibytes.to_string()]).args(command);
    let status =
        unshare.env(VARIABLE, folder.path()).env("TMPDIR", folder.path()).status().context("running unshare")?;
    ensure!(status.success(), "{} ended with {status}", command.join(" "));
    Ok(())
}
