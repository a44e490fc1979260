//! Stops a whole process tree with SIGSTOP, and continues it.
//!
//! A stopped process does not act on the parent death signal before it continues. So a watchdog process runs as long as the
//! tree is stopped: if this process dies, the watchdog's pipe closes, and it kills the stopped processes.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::tree;

/// Maximum wait for a stop: a thread in a disk operation stops only after it.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Interval of checks for a stop: threads stop within microseconds unless the machine is busy.
const STOP_POLL_INTERVAL: Duration = Duration::from_micros(200);

/// A stopped process tree, which continues when this is dropped.
#[derive(Debug)]
pub(super) struct Frozen {
    watchdog: Child,
    stopped: BTreeSet<u32>,
}

impl Frozen {
    /// Stops `pid` and its descendants.
    pub(super) fn freeze(pid: u32) -> Result<Self> {
        let mut frozen = Self { watchdog: start_watchdog()?, stopped: BTreeSet::new() };
        frozen.stop(pid)?;
        // A child may be started between reading the list and stopping its parent; the next list has it.
        loop {
            let found = tree::descendants(pid);
            let missed: Vec<u32> = found.difference(&frozen.stopped).copied().collect();
            if missed.is_empty() {
                return Ok(frozen);
            }
            for child in missed {
                frozen.stop(child)?;
            }
        }
    }

    fn stop(&mut self, pid: u32) -> Result<()> {
        self.send(&pid.to_string())?;
        self.stopped.insert(pid);
        signal(pid, Signal::STOP);
        wait_until_stopped(pid)
    }

    fn send(&mut self, line: &str) -> Result<()> {
        let pipe = self.watchdog.stdin.as_mut().expect("the watchdog was started with a pipe");
        writeln!(pipe, "{line}").context("telling the watchdog which process is stopped")
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        // Parents first: their children then only seem slow.
        for &pid in &self.stopped {
            signal(pid, Signal::CONT);
        }
        // Without this word the watchdog would kill. A broken pipe means that there is none.
        let _ = self.send("thaw");
        let _ = self.watchdog.wait();
    }
}

/// Waits for the stop: each thread stops only when it next leaves the kernel.
#[expect(clippy::disallowed_methods, reason = "processes that are not our children send no notice of their stop")]
fn wait_until_stopped(pid: u32) -> Result<()> {
    let started = Instant::now();
    while !tree::is_stopped(pid) {
        ensure!(started.elapsed() < STOP_LIMIT, "process {pid} did not stop within {STOP_LIMIT:?}");
        thread::sleep(STOP_POLL_INTERVAL);
    }
    Ok(())
}

/// Sends a signal to a process that may have ended already.
pub(super) fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = kill_process(pid, signal);
    }
}

fn start_watchdog() -> Result<Child> {
    const WATCHDOG: &str = r#"
        while read -r word; do
            if [ "$word" = thaw ]; then exit; fi
            pids="$pids $word"
        done
        kill -KILL $pids"#;
    Command::new("sh")
        .args(["-c", WATCHDOG])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("starting the watchdog of a stopped process")
}
