//! Programs before they run: what to start, as whom, with its output where.

use std::fs::{self, File, OpenOptions};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use rustix::process::Signal;

use crate::account::Account;

/// A log of this size is put aside when its program starts the next time. One old log is kept.
const LOG_BYTES_MAX: u64 = 10 * 1024 * 1024;

/// The signal that asks a process to end: sent by [`Process::stop`](super::Process::stop), and by the kernel when
/// this process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// SIGINT. Postgres disconnects its clients and shuts down in order.
    Interrupt,
    /// SIGTERM, as most programs have it.
    Terminate,
    /// SIGKILL, for programs with nothing to lose.
    Kill,
}

/// A program to start with [`Process::start`](super::Process::start).
#[derive(Debug)]
pub struct Launch {
    pub(super) name: String,
    pub(super) farewell: Farewell,
    pub(super) log: Option<PathBuf>,
    command: Command,
    captured: Option<File>,
    account: Option<Account>,
}

impl Launch {
    /// Program, arguments, environment and folder are taken from `command`; its input is closed, and its output goes
    /// to the terminal unless the methods below say otherwise. (`env_clear` is not carried over.)
    pub fn new(name: impl Into<String>, command: Command) -> Self {
        Self { name: name.into(), farewell: Farewell::Terminate, log: None, command, captured: None, account: None }
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

    /// Asks it to end with this signal instead of SIGTERM.
    #[must_use]
    pub fn farewell(mut self, farewell: Farewell) -> Self {
        self.farewell = farewell;
        self
    }

    /// Runs it with the rights of this account. `None` keeps the own ones.
    #[must_use]
    pub(crate) fn account(mut self, account: Option<Account>) -> Self {
        self.account = account;
        self
    }

    /// The command that begins a session, sets the parent death signal, and then becomes the program.
    pub(super) fn into_command(self) -> Result<Command> {
        // The signal is armed by the child itself. Had the parent died before that, it would never come; the shell
        // looks who its parent is once it is armed.
        const UNLESS_ORPHANED: &str = r#"test "$PPID" = "$0" && exec "$@""#;
        // A forked child leads no process group, so setsid makes the session and becomes setpriv without another fork.
        let mut command = Command::new("setsid");
        // Credentials first, signal last: the kernel forgets the signal when credentials change. setpriv keeps that
        // order whatever the order of its arguments.
        command.args(["setpriv", "--pdeathsig", self.farewell.name()]);
        if let Some(account) = self.account {
            command.arg(format!("--reuid={}", account.uid));
            command.arg(format!("--regid={}", account.gid));
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

impl Farewell {
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
