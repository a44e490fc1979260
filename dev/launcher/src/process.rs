//! Child processes that cannot outlive this one.
//!
//! Each child has a parent death signal (`setpriv --pdeathsig`), so that the kernel ends it even if this process is killed
//! with SIGKILL. It has a session of its own (`setsid`), so that Ctrl-C in a terminal reaches only this process, which then
//! stops its children in order. Children are not restarted.
//!
//! A session also has its own share of the processors where the kernel groups by session (`sched_autogroup`), like a
//! systemd unit or a container. Postgres has a process for each connection: in one session with all other processes, reports
//! would get too small a share beside connections that rebuild.

mod freeze;
mod launch;
pub mod os_user;
pub mod ready;
mod spawner;
pub mod tree;

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
pub use launch::{Launch, StopSignal};

/// Time that [`Process::stop`] gives a process before it kills it.
pub const GRACE: Duration = Duration::from_secs(10);

/// Maximum wait for the end of a killed process tree. The kernel needs milliseconds; the bound prevents a hang.
const DEATH_LIMIT: Duration = Duration::from_secs(5);

/// Interval of polling `/proc` for events without a notification.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Maximum bytes of a log that are read for its last lines.
const TAIL_BYTES_MAX: u64 = 64 * 1024;

/// Lines of each process' log that are shown in a panic.
const LINES_AT_PANIC: usize = 30;

/// A running child process, killed with its descendants when this is dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: u32,
    /// Identifies the process even after its number was reused.
    handle: OwnedFd,
    stop_signal: StopSignal,
    log: Option<Log>,
    exit: Exit,
    frozen: Mutex<Option<Frozen>>,
}

/// Notification of the end of a process.
#[derive(Clone, Debug)]
pub struct Exit(watch::Receiver<Option<ExitStatus>>);

/// Runs a program to its end, and kills it if the future is dropped.
///
/// # Errors
///
/// The program cannot be started, or fails; then the message has the last lines of its log.
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
    /// Size of the file when this run began; earlier bytes belong to earlier runs.
    start_bytes: u64,
}

impl Process {
    /// Starts a program.
    ///
    /// # Errors
    ///
    /// `setsid` or `setpriv` is missing, or the log file cannot be opened. A missing program shows as an exit, with the reason
    /// in the log.
    pub fn start(launch: Launch) -> Result<Self> {
        let name = launch.name.clone();
        let stop_signal = launch.stop_signal;
        let log = launch.log.clone();
        let command = launch.into_command()?;
        let log = log.map(Log::new);
        let child = spawner::spawn(command).with_context(|| format!("starting {name} through setsid"))?;
        let handle = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())
            .with_context(|| format!("opening a handle of {name}"))?;
        Ok(Self { pid: child.id(), exit: Exit::of(child), frozen: Mutex::new(None), name, handle, stop_signal, log })
    }

    /// Name for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Process number of the program itself; there is no process in between.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// File of the output, if there is one.
    pub fn log(&self) -> Option<&Path> {
        self.log.as_ref().map(|log| log.path.as_path())
    }

    /// The last lines of this run's output, at most `lines_max`.
    pub fn log_tail(&self, lines_max: usize) -> String {
        let text = self.log.as_ref().and_then(Log::read_end);
        let text = text.unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(lines_max)..].join("\n")
    }

    /// Notification of the end, which is valid beyond the life of this value.
    pub fn exit(&self) -> Exit {
        self.exit.clone()
    }

    /// Status of the exit; `None` while the process runs.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        *self.exit.0.borrow()
    }

    /// Asks the process to end, and kills it after [`GRACE`].
    pub async fn stop(&self) -> ExitStatus {
        self.thaw();
        self.signal(self.stop_signal.signal());
        match tokio::time::timeout(GRACE, self.exit().wait()).await {
            Ok(status) => status,
            Err(_) => self.kill().await,
        }
    }

    /// Kills the process and its descendants, and waits for their end.
    pub async fn kill(&self) -> ExitStatus {
        let descendants = self.kill_tree();
        let status = self.exit().wait().await;
        let killed = Instant::now();
        while descendants.iter().any(|&pid| tree::is_alive(pid)) && killed.elapsed() < DEATH_LIMIT {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        status
    }

    /// Stops the process and its descendants with SIGSTOP, until [`Process::thaw`].
    ///
    /// # Errors
    ///
    /// The watchdog that ends them if this process dies meanwhile cannot be started.
    pub fn freeze(&self) -> Result<()> {
        let mut frozen = self.frozen.lock().expect("nothing panics under this lock");
        if frozen.is_none() {
            *frozen = Some(Frozen::freeze(self.pid)?);
        }
        Ok(())
    }

    /// Continues the process and its descendants with SIGCONT.
    pub fn thaw(&self) {
        self.frozen.lock().expect("nothing panics under this lock").take();
    }

    /// Prints the end of the log in a test that panics.
    #[expect(clippy::print_stderr, reason = "the tests' harness keeps it for those that fail")]
    fn print_log_tail(&self) {
        let lines = self.log_tail(LINES_AT_PANIC);
        if !lines.is_empty() {
            eprintln!("--- end of the log of {}:\n{lines}", self.name);
        }
    }

    fn signal(&self, signal: Signal) {
        // Fails only if the process has ended, which most signals are for.
        let _ = pidfd_send_signal(&self.handle, signal);
    }

    /// Kills the process and its descendants, and returns the latter.
    fn kill_tree(&self) -> Vec<u32> {
        // A stopped parent starts no further child that the list would miss.
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
            self.print_log_tail();
        }
        if self.exit_status().is_some() {
            return;
        }
        let descendants = self.kill_tree();
        // The owner may remove the folder next, so nothing may write there any more.
        let killed = Instant::now();
        let is_there = || self.exit_status().is_none() || descendants.iter().any(|&pid| tree::is_alive(pid));
        while is_there() && killed.elapsed() < DEATH_LIMIT {
            thread::sleep(POLL_INTERVAL);
        }
    }
}

impl Exit {
    /// Waits for the end of the process.
    pub async fn wait(mut self) -> ExitStatus {
        let status = self.0.wait_for(Option::is_some).await;
        status.expect("the waiting thread sends before it ends").expect("the condition says so")
    }

    /// Waits in a thread of its own instead of the runtime: a child may outlive the runtime that started it, such as a server
    /// that several tests share.
    fn of(mut child: Child) -> Self {
        let (sender, receiver) = watch::channel(None);
        thread::spawn(move || {
            let pid = Pid::from_child(&child);
            // The status is read after the rest of the group is killed: until then the number is not reused.
            let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            let _ = retry_on_intr(|| waitid(WaitId::Pid(pid), ended));
            let _ = kill_process_group(pid, Signal::KILL);
            let status = child.wait().expect("no other thread waits for this child");
            sender.send_replace(Some(status));
        });
        Self(receiver)
    }
}

impl Log {
    /// Must be called after the file is opened and before this run writes to it.
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
