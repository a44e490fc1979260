//! A nats-server with a wall clock that tests can move: the released source, built by Go with one more line in the package
//! `time`. libfaketime does not work, because a Go program reads the time without the C library.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{Version, create_folder, found_or_installed, go, install_log};
use crate::process::{self, Launch};
use crate::progress;
use crate::workspace::Workspace;

/// Module of the version that `nats/requirements.txt` pins, too. Go checks it against its public list of checksums.
const MODULE: &str = "github.com/nats-io/nats-server/v2@v2.15.1";

/// The folder of the program among the project's downloads.
const FOLDER: &str = "nats-server-2.15.1-movable-clock";

/// The first line of Go's `time.Now`.
const NOW: &str = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n";

/// The line that is added after it. The monotonic clock stays as it is.
const SHIFT: &str = "\tsec += clockOffset()\n";

/// A nats-server that adds the seconds in the file of `CLOCK_OFFSET_FILE` to its wall clock, built into the project's data
/// folder if it is not there.
///
/// # Errors
///
/// There is no Go, or it cannot build the server; the message names the log.
pub async fn nats_server_with_movable_clock(workspace: &Workspace) -> Result<PathBuf> {
    found_or_installed(workspace, || find(workspace), install(workspace)).await
}

fn find(workspace: &Workspace) -> Option<PathBuf> {
    let program = workspace.data().join(FOLDER).join("nats-server");
    Version::of(&program).is_some().then_some(program)
}

async fn install(workspace: &Workspace) -> Result<PathBuf> {
    let go = go::go(workspace).await.context("finding Go, which builds a nats-server with a movable clock")?;
    create_folder(workspace, FOLDER, async |draft| {
        let overlay = overlay(&go, draft)?;
        let mut command = Command::new(&go);
        command.arg("install").arg("-overlay").arg(overlay).arg(MODULE).env("GOBIN", draft);
        // Settings for cross-compilation contradict GOBIN.
        command.env_remove("GOOS").env_remove("GOARCH");
        let launch = Launch::new("go install", command).log(install_log(workspace));
        let build = progress::step("Building a nats-server with a movable clock", process::run(launch)).await;
        ensure!(build.is_ok(), "Go cannot build nats-server, and said why in {}", install_log(workspace).display());
        Ok(())
    })
    .await?;
    find(workspace).context("the nats-server that Go built does not run")
}

/// Writes the file that makes Go read two files of the package `time` elsewhere.
fn overlay(go: &Path, folder: &Path) -> Result<PathBuf> {
    let said = Command::new(go).args(["env", "GOROOT"]).output().context("asking Go where its sources are")?;
    let package = PathBuf::from(String::from_utf8(said.stdout)?.trim()).join("src/time");
    let source = package.join("time.go");
    let text = fs::read_to_string(&source).with_context(|| format!("reading {}", source.display()))?;
    ensure!(text.contains(NOW), "{} does not begin time.Now as Go 1.26 does", source.display());
    let (shifted, offset) = (folder.join("time.go"), folder.join("offset.go"));
    fs::write(&shifted, text.replace(NOW, &format!("{NOW}{SHIFT}")))?;
    fs::write(&offset, include_str!("nats_clock/offset.go"))?;
    let overlay = folder.join("overlay.json");
    let replaced = json!({"Replace": {
        source.display().to_string(): shifted,
        package.join("clock_offset.go").display().to_string(): offset,
    }});
    fs::write(&overlay, replaced.to_string())?;
    Ok(overlay)
}
