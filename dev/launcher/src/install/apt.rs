//! apt-get as root, or through sudo when that needs no password.

use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};

use crate::account;
use crate::process::{self, Launch};
use crate::progress;

/// Debian's packages of Postgres make and start a database of their own unless a file in this folder says no. The file
/// is there only during the installation.
const SCRIPT: &str = r#"
    settings=/etc/postgresql-common/createcluster.d
    trap 'rm -f "$settings/tidemark.conf"; rmdir -p "$settings" 2>/dev/null || true' EXIT
    trap 'exit 1' INT TERM HUP
    mkdir -p "$settings"
    echo 'create_main_cluster = false' > "$settings/tidemark.conf"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update || echo 'Going on with the package lists of before.'
    apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$1""#;

/// Unpacks a package into a folder. Package lists that are missing or out of date are fetched where that is allowed.
const UNPACK: &str = r#"
    cd "$2"
    apt-get download "$1" || { apt-get update || sudo -n apt-get update; apt-get download "$1"; }
    dpkg-deb --extract "$1"_*.deb .
    rm "$1"_*.deb"#;

/// Unpacks a package of the distribution into a folder, without what it depends on. Nothing of it is installed, so this
/// takes no rights but to the folder, and no server of the package starts.
///
/// # Errors
///
/// When there is no apt-get, or no such package can be had.
pub(super) async fn unpack(step: &str, package: &'static str, folder: PathBuf, log: PathBuf) -> Result<()> {
    let mut command = Command::new("sh");
    command.args(["-e", "-c", UNPACK, "sh", package]).arg(folder);
    let run = process::run(Launch::new("apt-get download", command).log(&log));
    let unpacked = progress::step(step, run).await;
    unpacked.map_err(|_| anyhow!("apt-get download said why in {}", log.display()))
}

/// Installs a package of the distribution.
///
/// It is neither cancelled nor killed with this process: a package manager that is killed leaves a broken system.
/// The runtime waits for it when it shuts down.
///
/// # Errors
///
/// When there is no apt-get, no right to use it, or the installation fails.
pub(super) async fn install(step: &str, package: &'static str, log: PathBuf) -> Result<()> {
    let work = tokio::task::spawn_blocking(move || install_blocking(package, &log));
    progress::step(step, work).await.context("waiting for apt-get")?
}

fn install_blocking(package: &str, log: &Path) -> Result<()> {
    if !succeeds(Command::new("apt-get").arg("--version")) {
        bail!("there is no apt-get on this machine");
    }
    let mut command = if account::is_root() {
        Command::new("sh")
    } else if succeeds(Command::new("sudo").args(["-n", "true"])) {
        let mut command = Command::new("sudo");
        command.args(["-n", "sh"]);
        command
    } else {
        bail!("apt-get needs root, or a sudo that asks for no password");
    };
    let folder = log.parent().expect("a log lies in the folder of the logs");
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    let open = OpenOptions::new().append(true).create(true).open(log);
    let output = open.with_context(|| format!("opening {}", log.display()))?;
    command.args(["-c", SCRIPT, "sh", package]).stdin(Stdio::null());
    command.stdout(output.try_clone()?).stderr(output);
    // Ctrl-C in the terminal must not reach it.
    let status = command.process_group(0).status().context("starting apt-get")?;
    if status.success() {
        return Ok(());
    }
    bail!("apt-get ended with {status}; what it said is in {}", log.display())
}

fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
