//! Builds the three services with cargo, and finds their programs.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::process::{Launch, Process};
use crate::workspace::Workspace;

/// Profile of cargo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Built quickly, for tests.
    Dev,
    /// Optimized.
    Release,
}

/// The programs of the services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Services {
    /// Program `ingest`.
    pub ingest: PathBuf,
    /// Program `projector`.
    pub projector: PathBuf,
    /// Program `query`.
    pub query: PathBuf,
}

/// Builds the services if they are out of date. Cargo's progress goes to the terminal; concurrent calls wait for each other.
///
/// # Errors
///
/// The services do not compile; cargo has printed why.
pub async fn services(profile: Profile) -> Result<Services> {
    let workspace = Workspace::find()?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // With the whole workspace selected, dependencies get the features that they have in `cargo test --workspace`, so that no
    // command rebuilds the services of another one.
    command.args(["build", "--workspace", "--bin", "ingest", "--bin", "projector", "--bin", "query"]);
    command.arg("--message-format=json-render-diagnostics");
    if profile == Profile::Release {
        command.arg("--release");
    }
    // Cargo sets variables about the package that it runs. With them build scripts would see another environment than
    // under a cargo from the shell, and half of the dependencies would be rebuilt each time.
    for (variable, _) in std::env::vars_os() {
        if variable.to_str().is_some_and(is_about_package) {
            command.env_remove(variable);
        }
    }
    command.current_dir(workspace.root());
    let messages = tempfile::NamedTempFile::new().context("making a temporary file")?;
    let launch = Launch::new("cargo", command).capture(messages.reopen()?);
    // Dropped on Ctrl-C, which ends the compilers, too.
    let cargo = Process::start(launch)?;
    let status = cargo.exit().wait().await;
    ensure!(status.success(), "The services do not compile (cargo ended with {status}).");
    Services::in_messages(messages.reopen()?)
}

fn is_about_package(variable: &str) -> bool {
    const ABOUT_PACKAGE: [&str; 5] =
        ["CARGO_BIN_", "CARGO_CRATE_NAME", "CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_PRIMARY_PACKAGE"];
    ABOUT_PACKAGE.iter().any(|name| variable.starts_with(name))
}

impl Services {
    /// Finds the programs in cargo's messages: their folder depends on the user's settings.
    fn in_messages(messages: File) -> Result<Self> {
        let mut programs = Vec::new();
        for line in BufReader::new(messages).lines() {
            let line = line.context("reading cargo's messages")?;
            let message: Message = serde_json::from_str(&line).context("reading one of cargo's messages")?;
            if let Message { target: Some(target), executable: Some(path) } = message {
                programs.push((target.name, path));
            }
        }
        let find = |name: &str| {
            let found = programs.iter().find(|(target, _)| target == name);
            found.map(|(_, path)| path.clone()).with_context(|| format!("cargo built no program named {name}"))
        };
        Ok(Self { ingest: find("ingest")?, projector: find("projector")?, query: find("query")? })
    }
}

/// The fields of `cargo build --message-format=json` about programs.
#[derive(Deserialize)]
struct Message {
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}
