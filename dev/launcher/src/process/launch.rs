//! Description of a child process: the program, its user, and where its output goes.

use std::fs::{self, File, OpenOptions};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use rustix::process::Signal;

use super::os_user::OsUser;

/// Size from which a log is rotated at the next start of its program. One old log is kept.
const LOG_BYTES_MAX: u64 = 10 * 1024 * 1024;

/// Signal that asks a process to end, sent by [`Process::stop`](super::Process::stop), and by the kernel if this process
/// dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGINT. Postgres disconnects its clients and shuts down in order.
    Interrupt,
    /// SIGTERM, for most programs.
    Terminate,
    /// SIGKILL, for programs without a shutdown.
    Kill,
}

/// A program to start with [`Process::start`](super::Process::start).
#[derive(Debug)]
pub struct Launch {
    pub(super) name: String,
    pub(super) stop_signal: StopSignal,
    pub(super) log: Option<PathBuf>,
    command: Command,
    captured: Option<File>,
    user: Option<OsUser>,
}

impl Launch {
    /// Takes program, arguments, environment and folder from `command`. Input is closed, and output goes to the terminal
    /// unless a method below changes that. `env_clear` is not carried over.
    pub fn new(name: impl Into<String>, command: Command) -> Self {
        Self { name: name.into(), stop_signal: StopSignal::Terminate, log: None, command, captured: None, user: None }
    }

    /// Appends output and errors to this file.
    #[must_use]
    pub fn log(mut self, path: impl Into<PathBuf>) -> Self {
        self.log = Some(path.into());
        self
    }

    /// Writes the output to this file; errors go to the terminal.
    #[must_use]
    pub fn capture(mut self, file: File) -> Self {
        self.captured = Some(file);
        self
    }

    /// Stops the process with this signal instead of SIGTERM.
    #[must_use]
    pub fn stop_signal(mut self, stop_signal: StopSignal) -> Self {
        self.stop_signal = stop_signal;
        self
    }

    /// Runs the process as this user; `None` keeps the current one.
    #[must_use]
    pub fn user(mut self, user: Option<OsUser>) -> Self {
        self.user = user;
        self
    }

    /// The command that starts a session, sets the parent death signal, and then becomes the program.
    pub(super) fn into_command(self) -> Result<Command> {
        // The child arms the signal by itself. If the parent died before that, the signal would never come, so the shell
        // checks its parent after the signal is armed.
        const UNLESS_ORPHANED: &str = r#"test "$PPID" = "$0" && exec "$@""#;
        // A forked child leads no process group, so setsid makes the session and becomes setpriv without another fork.
        let mut command = Command::new("setsid");
        // Credentials first, signal last: the kernel forgets the signal when credentials change. setpriv keeps that
        // order whatever the order of its arguments.
        command.args(["setpriv", "--pdeathsig", self.stop_signal.name()]);
        if let Some(user) = self.user {
            command.arg(format!("--reuid={}", user.uid));
            command.arg(format!("--regid={}", user.gid));
            command.arg("--clear-groups");
        }
        command.args(["--", "sh", "-c", UNLESS_ORPHANED]);
        command.arg(std::process::id().to_string());
        command.arg(self.command.get_program());
        command.args(self.command.get_args());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(folder) = self.command.get_current_dir() {
            command.current_dir(folder);
        }
        command.stdin(Stdio::null());
        if let Some(path) = &self.log {
            let log = open_log(path).with_context(|| format!("opening {}", path.display()))?;
            command.stdout(log.try_clone()?).stderr(log);
        }
        if let Some(file) = self.captured {
            command.stdout(file);
        }
        Ok(command)
    }
}

impl StopSignal {
    pub(super) fn signal(self) -> Signal {
        match self {
            Self::Interrupt => Signal::INT,
            Self::Terminate => Signal::TERM,
            Self::Kill => Signal::KILL,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "INT",
            Self::Terminate => "TERM",
            Self::Kill => "KILL",
        }
    }
}

fn open_log(path: &PathBuf) -> Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    if fs::metadata(path).is_ok_and(|log| log.len() > LOG_BYTES_MAX) {
        fs::rename(path, path.with_added_extension("1"))?;
    }
    Ok(OpenOptions::new().append(true).create(true).open(path)?)
}
