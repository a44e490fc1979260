//! Stopping a whole process tree with SIGSTOP, and waking it again.
//!
//! A stopped process does not act on the parent death signal until somebody wakes it. A guard therefore stands by for
//! as long as the tree is stopped: when this process dies, its pipe closes, and the guard kills what was stopped.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::tree;

/// A thread that waits for a disk stops only when that has answered.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Threads stop within microseconds, unless the machine is busy.
const STOP_POLL_INTERVAL: Duration = Duration::from_micros(200);

/// A stopped process tree. Dropped, it is awake again.
#[derive(Debug)]
pub(super) struct Frozen {
    guard: Child,
    stopped: BTreeSet<u32>,
}

impl Frozen {
    /// Stops `pid` and everything below it.
    pub(super) fn freeze(pid: u32) -> Result<Self> {
        let mut frozen = Self { guard: stand_guard()?, stopped: BTreeSet::new() };
        frozen.stop(pid)?;
        // A child may be born between reading the list and stopping its parent; the next look finds it.
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
        self.tell(&pid.to_string())?;
        self.stopped.insert(pid);
        signal(pid, Signal::STOP);
        wait_until_stopped(pid)
    }

    fn tell(&mut self, line: &str) -> Result<()> {
        let pipe = self.guard.stdin.as_mut().expect("the guard was started with a pipe");
        writeln!(pipe, "{line}").context("telling the guard what is stopped")
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        // Youngest last: a parent that wakes first finds its children as it left them, only late.
        for &pid in &self.stopped {
            signal(pid, Signal::CONT);
        }
        // Without this word the guard would kill; should the pipe be broken, then there is no guard any more.
        let _ = self.tell("thaw");
        let _ = self.guard.wait();
    }
}

/// The signal is sent in no time, but each thread stops when it next leaves the kernel.
#[expect(clippy::disallowed_methods, reason = "processes that are not our children send no notice of their stop")]
fn wait_until_stopped(pid: u32) -> Result<()> {
    let started = Instant::now();
    while !tree::is_stopped(pid) {
        ensure!(started.elapsed() < STOP_LIMIT, "process {pid} did not stop within {STOP_LIMIT:?}");
        thread::sleep(STOP_POLL_INTERVAL);
    }
    Ok(())
}

/// Sends a signal to a process that may be gone already, which is no error.
pub(super) fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = kill_process(pid, signal);
    }
}

fn stand_guard() -> Result<Child> {
    const GUARD: &str = r#"
        while read -r word; do
            if [ "$word" = thaw ]; then exit; fi
            pids="$pids $word"
        done
        kill -KILL $pids"#;
    Command::new("sh")
        .args(["-c", GUARD])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("starting the guard of a stopped process")
}
