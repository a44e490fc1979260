//! pgbouncer, for tests of a pooler between a service and Postgres: found on PATH or among the project's downloads, else
//! unpacked from the distribution's packages. Unpacked, not installed: the package would start a server of the system.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow};
use launcher::install::{apt, create_folder, found_or_installed, install_log, on_path};
use launcher::workspace::Workspace;

/// Package of pgbouncer, and of a library that it needs.
const PACKAGES: [&str; 2] = ["pgbouncer", "libc-ares2"];

const FOLDER: &str = "pgbouncer";

/// The pooler to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PgbouncerProgram {
    /// The executable.
    pub(crate) program: PathBuf,
    /// Folder of libraries that the system does not have.
    pub(crate) libraries: Option<PathBuf>,
}

impl PgbouncerProgram {
    /// `None` unless the program runs.
    fn of(program: PathBuf, libraries: Option<PathBuf>) -> Option<Self> {
        let found = Self { program, libraries };
        let mut command = found.command();
        command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success()).then_some(found)
    }

    /// A command that runs the pooler.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(libraries) = &self.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command
    }
}

/// The pgbouncer to run, unpacked into the project's data folder if this machine has none.
///
/// # Errors
///
/// One sentence that says what to install when that is not possible.
pub(crate) async fn pgbouncer(workspace: &Workspace) -> Result<PgbouncerProgram> {
    let found = found_or_installed(workspace, || find(workspace), unpack(workspace)).await;
    found.map_err(|err| {
        anyhow!("pgbouncer was not found and cannot be unpacked ({err:#}): put it on the PATH and start again.")
    })
}

fn find(workspace: &Workspace) -> Option<PgbouncerProgram> {
    let on_path = on_path("pgbouncer").into_iter().find_map(|program| PgbouncerProgram::of(program, None));
    on_path.or_else(|| unpacked(&workspace.data().join(FOLDER)))
}

async fn unpack(workspace: &Workspace) -> Result<PgbouncerProgram> {
    let folder = create_folder(workspace, FOLDER, async |draft| {
        for package in PACKAGES {
            apt::unpack("Downloading pgbouncer", package, draft, install_log(workspace)).await?;
        }
        Ok(())
    });
    unpacked(&folder.await?).context("what the packages have does not run on this machine")
}

fn unpacked(folder: &Path) -> Option<PgbouncerProgram> {
    let program = folder.join("usr/sbin/pgbouncer");
    let architectures = std::fs::read_dir(folder.join("usr/lib")).ok()?;
    let libraries = architectures.filter_map(Result::ok).map(|entry| entry.path());
    let libraries = libraries.into_iter().find(|path| path.join("libcares.so.2").exists());
    PgbouncerProgram::of(program, libraries)
}
