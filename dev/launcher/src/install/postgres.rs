//! Postgres: found on PATH or where Debian puts it, else installed as the distribution's package.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};

use super::{Version, apt, found_or_installed, install_log, on_path};
use crate::workspace::Workspace;

/// Oldest version that has the SQL of the migrations.
const OLDEST: Version = Version::new(15, 0);

/// Folder of the programs of one Postgres version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresPrograms(PathBuf);

impl PostgresPrograms {
    /// The path of a program such as `initdb`.
    pub fn program(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// `None` unless the folder has all programs in a version that is new enough.
    fn in_folder(folder: PathBuf) -> Option<Self> {
        let programs = Self(folder);
        let has = |name| programs.program(name).is_file();
        let is_complete =
            has("initdb") && has("createdb") && Version::of(&programs.program("postgres")) >= Some(OLDEST);
        is_complete.then_some(programs)
    }
}

/// The Postgres to run, installed if this machine has none and no password is needed.
///
/// # Errors
///
/// One sentence that says what to install when that is not possible.
pub async fn postgres(workspace: &Workspace) -> Result<PostgresPrograms> {
    found_or_installed(workspace, find, install(workspace)).await
}

async fn install(workspace: &Workspace) -> Result<PostgresPrograms> {
    let installed = apt::install("Installing Postgres", "postgresql", install_log(workspace)).await;
    installed.map_err(|err| {
        anyhow!(
            "Postgres {OLDEST} or newer was not found and cannot be installed ({err:#}): run `apt-get install \
             postgresql` and start again."
        )
    })?;
    find().ok_or_else(|| {
        anyhow!("This system's own Postgres is older than {OLDEST}: install a newer one and start again.")
    })
}

fn find() -> Option<PostgresPrograms> {
    // A link such as /usr/local/bin/postgres leads to the folder that has the other programs too.
    let linked = on_path("postgres").into_iter().filter_map(|program| program.canonicalize().ok());
    let folders = linked.filter_map(|program| Some(program.parent()?.to_owned()));
    folders.chain(debian_folders(Path::new("/usr/lib/postgresql"))).find_map(PostgresPrograms::in_folder)
}

/// Folders of all versions, the newest first.
fn debian_folders(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort_unstable_by(|left, right| right.cmp(left));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_comes_first() {
        let root = tempfile::tempdir().expect("a temporary folder");
        for version in ["9", "15", "16", "notes"] {
            fs::create_dir(root.path().join(version)).expect("a new folder");
        }
        let expected = ["16", "15", "9"].map(|version| root.path().join(version).join("bin"));
        assert_eq!(debian_folders(root.path()), expected);
    }
}
