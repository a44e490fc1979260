//! Orphans: processes of an earlier run that was killed. The kernel has asked them to end, and they may still be ending.
//!
//! Two servers on the same data could damage it. So each started process is recorded in a file, and the next run waits until
//! all of them have ended.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process::{GRACE, POLL_INTERVAL, Process, tree};
use crate::progress;
use crate::workspace::Workspace;

/// Maximum wait: the time in which five processes are stopped one after the other.
const LIMIT: Duration = GRACE.saturating_mul(5);

/// Records that `process` runs.
pub(crate) fn record(workspace: &Workspace, process: &Process) -> Result<()> {
    let Some(started) = tree::started(process.pid()) else {
        return Ok(());
    };
    let path = workspace.data().join("processes");
    let open = OpenOptions::new().append(true).create(true).open(&path);
    let mut file = open.with_context(|| format!("opening {}", path.display()))?;
    writeln!(file, "{} {started} {}", process.pid(), process.name()).context("recording a process")
}

/// Waits until all processes of an earlier run have ended.
///
/// # Errors
///
/// A process still runs after [`LIMIT`].
pub(crate) async fn wait(workspace: &Workspace) -> Result<()> {
    let path = workspace.data().join("processes");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let earlier: Vec<Orphan> = text.lines().filter_map(Orphan::parse).collect();
    progress::step("Waiting for the processes of an earlier run", gone(&earlier)).await?;
    fs::write(&path, "").with_context(|| format!("writing {}", path.display()))
}

async fn gone(earlier: &[Orphan<'_>]) -> Result<()> {
    let started = Instant::now();
    while let Some(orphan) = earlier.iter().find(|orphan| orphan.is_alive()) {
        if started.elapsed() > LIMIT {
            bail!("{} of an earlier run does not end: kill process {} and start again.", orphan.name, orphan.pid);
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    Ok(())
}

#[derive(Debug)]
struct Orphan<'a> {
    pid: u32,
    /// Start time, which differs for a later process of the same number.
    started: u64,
    name: &'a str,
}

impl<'a> Orphan<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.splitn(3, ' ');
        let pid = words.next()?.parse().ok()?;
        let started = words.next()?.parse().ok()?;
        Some(Self { pid, started, name: words.next()? })
    }

    fn is_alive(&self) -> bool {
        tree::started(self.pid) == Some(self.started)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_process_of_the_same_number_is_not_waited_for() {
        let pid = std::process::id();
        let started = tree::started(pid).expect("this process runs");
        assert!(Orphan { pid, started, name: "itself" }.is_alive());
        assert!(!Orphan { pid, started: started - 1, name: "earlier" }.is_alive());
    }
}
