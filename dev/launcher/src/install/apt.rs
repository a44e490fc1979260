//! apt-get as root, or through sudo when that needs no password.

use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};

use crate::process::{self, Launch, os_user};
use crate::progress;

/// Installs a package. Debian's packages of Postgres create and start a database unless a file in this folder forbids it;
/// the file exists only during the installation.
const SCRIPT: &str = r#"
    settings=/etc/postgresql-common/createcluster.d
    trap 'rm -f "$settings/tidemark.conf"; rmdir -p "$settings" 2>/dev/null || true' EXIT
    trap 'exit 1' INT TERM HUP
    mkdir -p "$settings"
    echo 'create_main_cluster = false' > "$settings/tidemark.conf"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update || echo 'Going on with the package lists of before.'
    apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$1""#;

/// Downloads a package and unpacks it into a folder. Missing or outdated package lists are fetched if that is permitted.
const UNPACK: &str = r#"
    cd "$2"
    apt-get download "$1" || { apt-get update || sudo -n apt-get update; apt-get download "$1"; }
    dpkg-deb --extract "$1"_*.deb .
    rm "$1"_*.deb"#;

/// Unpacks a package of the distribution into a folder, without its dependencies. Nothing is installed, so this needs no
/// privileges, and no server of the package starts.
///
/// # Errors
///
/// There is no apt-get, or the package cannot be downloaded.
pub async fn unpack(step: &str, package: &'static str, folder: &Path, log: PathBuf) -> Result<()> {
    let mut command = Command::new("sh");
    command.args(["-e", "-c", UNPACK, "sh", package]).arg(folder);
    let run = process::run(Launch::new("apt-get download", command).log(&log));
    let unpacked = progress::step(step, run).await;
    unpacked.map_err(|_| anyhow!("apt-get download said why in {}", log.display()))
}

/// Installs a package of the distribution.
///
/// The package manager is neither cancelled nor killed with this process, because that would leave a broken system. The
/// runtime waits for it when it shuts down.
///
/// # Errors
///
/// There is no apt-get, this user may not run it, or the installation fails.
pub async fn install(step: &str, package: &'static str, log: PathBuf) -> Result<()> {
    let work = tokio::task::spawn_blocking(move || install_blocking(package, &log));
    progress::step(step, work).await.context("waiting for apt-get")?
}

fn install_blocking(package: &str, log: &Path) -> Result<()> {
    if !succeeds(Command::new("apt-get").arg("--version")) {
        bail!("there is no apt-get on this machine");
    }
    let mut command = if os_user::is_root() {
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
    // A process group of its own, so that Ctrl-C in the terminal does not reach it.
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
