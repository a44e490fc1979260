//! Child processes that cannot outlive this one.
//!
//! Each child gets a parent death signal (`setpriv --pdeathsig`), so that the kernel ends it even when this process is
//! killed with SIGKILL, and a session of its own (`setsid`), so that Ctrl-C in a terminal reaches this process only,
//! which then stops its children in order. Nothing here restarts a child: who owns it decides.
//!
//! A session also has its own share of the processors, where the kernel groups by session (`sched_autogroup`), as a
//! systemd unit or a container has. Postgres makes one of every connection: in a session with all the others, reports
//! would wait behind two connections that rebuild for as long as all other processes together.

/// The one thread that starts child processes.
mod spawner;

/// Programs before they run: what to start, as whom, with its output where.
mod launch;

/// What `/proc` knows of processes.
pub(crate) mod tree;

/// Stopping a process tree for a while.
mod freeze;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::io::retry_on_intr;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, pidfd_send_signal, waitid,
};
use tokio::sync::watch;

use freeze::Frozen;
pub use launch::{Farewell, Launch};

/// How long [`Process::stop`] waits for a process that was asked to end, before it kills it.
pub const GRACE: Duration = Duration::from_secs(10);

/// How long a killed tree may take to vanish. The kernel needs milliseconds; a bound only guards against a hang.
const DEATH_LIMIT: Duration = Duration::from_secs(5);

/// How often `/proc` is read while waiting for something that sends no notice.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// How much of a log's end is read to show its last lines.
const TAIL_BYTES_MAX: u64 = 64 * 1024;

/// How many lines of each process a panic shows.
const LINES_AT_PANIC: usize = 30;

/// A running child. Dropped, it is killed with everything below it.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: u32,
    /// Names the process even after its number was given to another.
    handle: OwnedFd,
    farewell: Farewell,
    log: Option<Log>,
    exit: Exit,
    frozen: Mutex<Option<Frozen>>,
}

/// Tells when a process has ended. Clones tell the same.
#[derive(Clone, Debug)]
pub struct Exit(watch::Receiver<Option<ExitStatus>>);

/// Runs a program to its end. Dropped, it kills the program.
///
/// # Errors
///
/// When it cannot be started, or fails; then with the last lines of its log.
pub(crate) async fn run(launch: Launch) -> Result<()> {
    let process = Process::start(launch)?;
    let status = process.exit().wait().await;
    if status.success() {
        return Ok(());
    }
    bail!("{} ended with {status}: {}", process.name(), process.log_tail(10))
}

#[derive(Debug)]
struct Log {
    path: PathBuf,
    /// Where this run begins: what lies before belongs to an earlier one.
    start_bytes: u64,
}

impl Process {
    /// Starts a program.
    ///
    /// # Errors
    ///
    /// When `setsid` or `setpriv` is missing, or the log file cannot be opened. That the program itself is missing shows as its
    /// exit, with the reason in its log.
    pub fn start(launch: Launch) -> Result<Self> {
        let name = launch.name.clone();
        let farewell = launch.farewell;
        let log = launch.log.clone();
        let command = launch.into_command()?;
        let log = log.map(Log::new);
        let child = spawner::spawn(command).with_context(|| format!("starting {name} through setsid"))?;
        let handle = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())
            .with_context(|| format!("opening a handle of {name}"))?;
        Ok(Self { pid: child.id(), exit: Exit::of(child), frozen: Mutex::new(None), name, handle, farewell, log })
    }

    /// The name it was started under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process number, which is the program's own: nothing stands between.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The file that holds its output, if it has one.
    pub fn log(&self) -> Option<&Path> {
        self.log.as_ref().map(|log| log.path.as_path())
    }

    /// The last lines that this run wrote, at most `lines_max`.
    pub fn log_tail(&self, lines_max: usize) -> String {
        let text = self.log.as_ref().and_then(Log::read_end);
        let text = text.unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(lines_max)..].join("\n")
    }

    /// A notice of its end, independent of this value's life.
    pub fn exit(&self) -> Exit {
        self.exit.clone()
    }

    /// How it ended; `None` while it runs.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        *self.exit.0.borrow()
    }

    /// Asks it to end, and kills it when it has not within [`GRACE`].
    pub async fn stop(&self) -> ExitStatus {
        self.thaw();
        self.signal(self.farewell.signal());
        match tokio::time::timeout(GRACE, self.exit().wait()).await {
            Ok(status) => status,
            Err(_) => self.kill().await,
        }
    }

    /// Kills it and everything below it, and waits until they are gone.
    pub async fn kill(&self) -> ExitStatus {
        let descendants = self.kill_tree();
        let status = self.exit().wait().await;
        let killed = Instant::now();
        while descendants.iter().any(|&pid| tree::is_alive(pid)) && killed.elapsed() < DEATH_LIMIT {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        status
    }

    /// Stops it and everything below it in mid-air (SIGSTOP), until [`Process::thaw`].
    ///
    /// # Errors
    ///
    /// When the guard that protects against a death of this process in the meantime cannot be started.
    pub fn freeze(&self) -> Result<()> {
        let mut frozen = self.frozen.lock().expect("nothing panics under this lock");
        if frozen.is_none() {
            *frozen = Some(Frozen::freeze(self.pid)?);
        }
        Ok(())
    }

    /// Lets it run again (SIGCONT).
    pub fn thaw(&self) {
        self.frozen.lock().expect("nothing panics under this lock").take();
    }

    /// A test that fails takes the logs with it; what they said last is often why.
    #[expect(clippy::print_stderr, reason = "the tests' harness keeps it for those that fail")]
    fn tell_last_lines(&self) {
        let lines = self.log_tail(LINES_AT_PANIC);
        if !lines.is_empty() {
            eprintln!("--- the last that {} said:\n{lines}", self.name);
        }
    }

    fn signal(&self, signal: Signal) {
        // It fails only when the process is gone, which is what most signals are for.
        let _ = pidfd_send_signal(&self.handle, signal);
    }

    /// Returns what was below it.
    fn kill_tree(&self) -> Vec<u32> {
        // A stopped parent gives birth to no child that the list would miss.
        self.signal(Signal::STOP);
        let descendants: Vec<u32> =
            if self.exit_status().is_none() { tree::descendants(self.pid).into_iter().collect() } else { Vec::new() };
        self.signal(Signal::KILL);
        for &pid in &descendants {
            freeze::signal(pid, Signal::KILL);
        }
        self.thaw();
        descendants
    }
}

impl Drop for Process {
    #[expect(clippy::disallowed_methods, reason = "processes that are not our children send no notice of their end")]
    fn drop(&mut self) {
        if thread::panicking() {
            self.tell_last_lines();
        }
        if self.exit_status().is_some() {
            return;
        }
        let descendants = self.kill_tree();
        // Whoever drops it may remove its folder next: it must not write there any more.
        let killed = Instant::now();
        let is_there = || self.exit_status().is_none() || descendants.iter().any(|&pid| tree::is_alive(pid));
        while is_there() && killed.elapsed() < DEATH_LIMIT {
            thread::sleep(POLL_INTERVAL);
        }
    }
}

impl Exit {
    /// Waits for the end.
    pub async fn wait(mut self) -> ExitStatus {
        let status = self.0.wait_for(Option::is_some).await;
        status.expect("the waiting thread sends before it ends").expect("the condition says so")
    }

    /// A thread for each child rather than the runtime's own notice: a child must be able to outlive the runtime that
    /// started it, as servers shared by several tests do.
    fn of(mut child: Child) -> Self {
        let (sender, receiver) = watch::channel(None);
        thread::spawn(move || {
            let pid = Pid::from_child(&child);
            // Its exit status stays unread until the rest of its group is killed: as long, nobody else gets its number.
            let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            let _ = retry_on_intr(|| waitid(WaitId::Pid(pid), ended));
            let _ = kill_process_group(pid, Signal::KILL);
            let status = child.wait().expect("nobody else waits for this child");
            sender.send_replace(Some(status));
        });
        Self(receiver)
    }
}

impl Log {
    /// To be called when the file is opened and nothing of this run is in it yet.
    fn new(path: PathBuf) -> Self {
        let start_bytes = std::fs::metadata(&path).map_or(0, |log| log.len());
        Self { path, start_bytes }
    }

    fn read_end(&self) -> Option<String> {
        let mut file = File::open(&self.path).ok()?;
        let end = file.metadata().ok()?.len();
        let start = end.saturating_sub(TAIL_BYTES_MAX).max(self.start_bytes);
        file.seek(SeekFrom::Start(start)).ok()?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}
