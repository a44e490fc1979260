//! What a process says of itself on the command line: `--version`, `--help` with its variables, and `--check-config`.

use clap::Args;
use serde::Serialize;

use crate::config::{Variable, shown};

/// Variables of every process.
const COMMON: [Variable; 2] = [
    Variable { name: "LOG_FORMAT", meaning: "How log lines are written: text or json [text]" },
    Variable { name: "RUST_LOG", meaning: "Which lines: error, warn, info, debug or trace, also by module [info]" },
];

/// Variables of processes that trace.
pub const TRACES: [Variable; 3] = [
    Variable {
        name: "OTEL_EXPORTER_OTLP_ENDPOINT",
        meaning: "Where OpenTelemetry spans are sent, http://host:port [none are]",
    },
    Variable { name: "OTEL_EXPORTER_OTLP_PROTOCOL", meaning: "How: http/protobuf or http/json [http/protobuf]" },
    Variable {
        name: "OTEL_TRACES_SAMPLER",
        meaning: "Which requests are traced that do not say themselves [parentbased_always_on]",
    },
];

/// What every process takes.
#[derive(Debug, Clone, Copy, Args)]
pub struct Options {
    /// Read the configuration, say what is wrong with it, or print it without secrets, and end
    #[arg(long)]
    pub check_config: bool,
}

/// All variables of a process, for the end of its `--help`.
pub fn help(variables: &[Variable]) -> String {
    let all = || variables.iter().chain(&COMMON);
    let width = all().map(|variable| variable.name.len()).max().unwrap_or(0);
    let lines = all().map(|Variable { name, meaning }| format!("  {name:width$}  {meaning}\n"));
    format!("Environment [default]; empty counts as absent:\n{}", lines.collect::<String>())
}

/// Answers `--check-config`: the configuration, if it can work.
///
/// # Errors
///
/// What is wrong with it.
pub fn answer_check(config: &impl Serialize, checked: anyhow::Result<()>) -> anyhow::Result<()> {
    checked?;
    print!("{}", shown(config));
    Ok(())
}

/// What a unit of systemd allows a process, so that tests can compare it with the process' own bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitLimits {
    /// `MemoryMax`.
    pub memory_bytes_max: u64,
    /// `LimitNOFILE`.
    pub files_max: u64,
}

impl UnitLimits {
    /// Those of a unit's text; `None` if one of them is not set, or not as `1700M`.
    pub fn read(unit: &str) -> Option<Self> {
        let value = |name: &str| unit.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        let mebibytes: u64 = value("MemoryMax")?.strip_suffix('M')?.parse().ok()?;
        Some(Self { memory_bytes_max: mebibytes << 20, files_max: value("LimitNOFILE")?.parse().ok()? })
    }
}
