//! Finds nats-server, Postgres, the nats CLI and Go on this machine, or installs them; and finds or installs what tests need
//! beside them.

pub mod apt;
mod go;
mod nats;
mod nats_cli;
mod nats_clock;
mod pip;
mod postgres;

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::workspace::{self, Workspace};

pub use nats::nats_server;
pub use nats_cli::{nats_cli, nats_cli_advice, nats_cli_folder};
pub use nats_clock::nats_server_with_movable_clock;
pub use postgres::{PostgresPrograms, postgres};

/// Interval between attempts to lock installations.
const LOCK_POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Major and minor version of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Major version.
    pub major: u32,
    minor: u32,
}

impl Version {
    /// A version of these numbers.
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// Version of a program; `None` if it does not run.
    pub fn of(program: &Path) -> Option<Self> {
        let output = Command::new(program).arg("--version").stdin(Stdio::null()).output().ok()?;
        Self::parse(&String::from_utf8_lossy(&output.stdout))
    }

    /// Parses the first word that is a number, with or without a `v`.
    fn parse(text: &str) -> Option<Self> {
        text.split_ascii_whitespace().find_map(|word| {
            let word = word.strip_prefix('v').unwrap_or(word);
            let (major, rest) = leading_number(word)?;
            let minor = rest.strip_prefix('.').and_then(leading_number);
            Some(Self { major, minor: minor.map_or(0, |(minor, _)| minor) })
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.minor {
            0 => write!(formatter, "{}", self.major),
            minor => write!(formatter, "{}.{minor}", self.major),
        }
    }
}

fn leading_number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

/// Files of this name in the folders of PATH.
pub fn on_path(name: &str) -> Vec<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let files = std::env::split_paths(&folders).map(|folder| folder.join(name));
    files.filter(|file| file.is_file()).collect()
}

/// Finds a program, or installs it, by one process at a time.
pub async fn found_or_installed<T>(
    workspace: &Workspace,
    find: impl Fn() -> Option<T>,
    install: impl Future<Output = Result<T>>,
) -> Result<T> {
    if let Some(found) = find() {
        return Ok(found);
    }
    let _lock = lock(workspace).await?;
    // Another process may have installed it meanwhile.
    match find() {
        Some(found) => Ok(found),
        None => install.await,
    }
}

/// Creates the folder `name` among the downloads, and fills it. The folder gets its name once it is complete, so that an
/// interrupted installation is never used.
pub async fn create_folder(
    workspace: &Workspace,
    name: &str,
    fill: impl AsyncFnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let (folder, draft) = (workspace.data().join(name), workspace.data().join(format!("{name}.draft")));
    workspace::remove(&draft)?;
    workspace::remove(&folder)?;
    fs::create_dir_all(&draft).with_context(|| format!("creating {}", draft.display()))?;
    fill(&draft).await?;
    fs::rename(&draft, &folder).with_context(|| format!("renaming {}", draft.display()))?;
    Ok(folder)
}

/// Locks installations: several test binaries may find a server missing at the same time.
async fn lock(workspace: &Workspace) -> Result<File> {
    let path = workspace.data().join("install.lock");
    fs::create_dir_all(workspace.data())?;
    let file = File::create(&path).with_context(|| format!("opening {}", path.display()))?;
    // A blocking wait could not be interrupted.
    while file.try_lock().is_err() {
        tokio::time::sleep(LOCK_POLL_INTERVAL).await;
    }
    Ok(file)
}

/// Log of all installations.
pub fn install_log(workspace: &Workspace) -> PathBuf {
    workspace.logs().join("install.log")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        for (text, version) in [
            ("nats-server: v2.15.1", Version::new(2, 15)),
            ("postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)", Version::new(15, 13)),
            ("postgres (PostgreSQL) 18beta1", Version::new(18, 0)),
            ("prometheus, version 2.42.0+ds (branch: debian/sid, revision: 2.42.0+ds-5+deb12u1)", Version::new(2, 42)),
            ("Chromium 156.0.8078.108 built on Debian GNU/Linux 12 (bookworm)", Version::new(156, 0)),
            ("ChromeDriver 156.0.8078.108 (0a1b2c3d4e)", Version::new(156, 0)),
        ] {
            assert_eq!(Version::parse(text), Some(version), "{text}");
        }
        assert_eq!(Version::parse("not a version"), None);
    }
}
