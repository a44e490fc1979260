//! Scripts, and what they print.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result};
use launcher::process::{Launch, Process};
use tokio::time::{Instant, sleep, timeout};

use super::book::{Command, Patience};

/// Nothing here takes longer than a few seconds.
const SCRIPT_BOUND: Duration = Duration::from_mins(1);

/// What happens soon happens within this time, on a machine that does other things too.
const SOON: Duration = Duration::from_secs(45);

/// Between two times that a script is asked.
const ASK_PAUSE: Duration = Duration::from_millis(250);

/// Lines of what was printed that a failure shows.
const SHOWN_LINES_MAX: usize = 80;

/// Variables that would lead the CLI elsewhere.
const MISLEADING: [&str; 7] =
    ["NATS_CONTEXT", "NATS_USER", "NATS_PASSWORD", "NATS_TOKEN", "NATS_CREDS", "NATS_NKEY", "NATS_TIMEOUT"];

/// An operator's shell.
#[derive(Debug)]
pub(super) struct Shell {
    folder: PathBuf,
    variables: BTreeMap<String, String>,
}

/// A script that did not do what is written.
#[derive(Debug)]
pub(super) struct Failure {
    script: String,
    expected: String,
    printed: String,
    ending: String,
}

struct Said {
    status: Option<ExitStatus>,
    text: String,
}

impl Shell {
    /// A shell that works in `folder`.
    pub(super) fn new(folder: PathBuf, variables: BTreeMap<String, String>) -> Self {
        Self { folder, variables }
    }

    /// Sets a variable for the scripts that follow.
    pub(super) fn set(&mut self, name: &str, value: String) {
        self.variables.insert(name.to_owned(), value);
    }

    /// Runs a script and compares what it prints.
    pub(super) async fn check(&self, command: &Command) -> Result<Result<(), Failure>> {
        let deadline = Instant::now() + SOON;
        loop {
            let said = self.run(&command.script).await?;
            let is_success = said.status.is_some_and(|status| status.success());
            let fits = command.expectation.as_ref().is_none_or(|expected| expected.fits(&said.text));
            if is_success && fits {
                return Ok(Ok(()));
            }
            if command.patience == Patience::None || Instant::now() > deadline {
                return Ok(Err(Failure::of(command, &said)));
            }
            sleep(ASK_PAUSE).await;
        }
    }

    async fn run(&self, script: &str) -> Result<Said> {
        let log = tempfile::NamedTempFile::new_in(&self.folder).context("making a file for what is printed")?;
        let mut command = std::process::Command::new("sh");
        command.args(["-eu", "-c", script]).current_dir(&self.folder);
        for name in MISLEADING {
            command.env_remove(name);
        }
        command.envs(&self.variables);
        let process = Process::start(Launch::new("sh", command).log(log.path()))?;
        let status = timeout(SCRIPT_BOUND, process.exit().wait()).await.ok();
        // Whatever it left behind writes no more.
        process.kill().await;
        let text = std::fs::read(log.path()).context("reading what was printed")?;
        Ok(Said { status, text: String::from_utf8_lossy(&text).into_owned() })
    }
}

impl Failure {
    fn of(command: &Command, said: &Said) -> Self {
        let ending = match said.status {
            Some(status) => status.to_string(),
            None => format!("not ended within {SCRIPT_BOUND:?}"),
        };
        let expected = command.expectation.as_ref().map(ToString::to_string).unwrap_or_default();
        let lines: Vec<&str> = said.text.lines().collect();
        let shown = &lines[lines.len().saturating_sub(SHOWN_LINES_MAX)..];
        Self { script: command.script.clone(), expected, printed: shown.join("\n    "), ending }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.script.lines() {
            writeln!(f, "  $ {line}")?;
        }
        if !self.expected.is_empty() {
            write!(f, "  expected:\n{}", self.expected)?;
        }
        write!(f, "  found ({}):\n    {}", self.ending, self.printed)
    }
}
