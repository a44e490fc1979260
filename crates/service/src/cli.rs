//! Command line of every process: `--version`, `--help` with its variables, and `--check-config`.

use clap::Args;
use serde::Serialize;

use crate::config::{Variable, shown};

/// Variables of every process.
const COMMON: [Variable; 2] = [
    Variable { name: "LOG_FORMAT", meaning: "Format of log lines: text or json [text]" },
    Variable {
        name: "RUST_LOG",
        meaning: "Level of log lines: error, warn, info, debug or trace, also by module [info]",
    },
];

/// Variables of processes that send traces.
pub const TRACES: [Variable; 3] = [
    Variable {
        name: "OTEL_EXPORTER_OTLP_ENDPOINT",
        meaning: "Collector of OpenTelemetry spans, http://host:port [no traces]",
    },
    Variable {
        name: "OTEL_EXPORTER_OTLP_PROTOCOL",
        meaning: "Protocol of the collector: http/protobuf or http/json [http/protobuf]",
    },
    Variable {
        name: "OTEL_TRACES_SAMPLER",
        meaning: "Sampler of requests that come without a trace [parentbased_always_on]",
    },
];

/// Options of every process.
#[derive(Debug, Clone, Copy, Args)]
pub struct Options {
    /// Check the configuration, print it without secrets, and exit
    #[arg(long)]
    pub check_config: bool,
}

/// Text about all variables of a process, for the end of its `--help`.
pub fn help(variables: &[Variable]) -> String {
    let all = || variables.iter().chain(&COMMON);
    let width = all().map(|variable| variable.name.len()).max().unwrap_or(0);
    let lines = all().map(|Variable { name, meaning }| format!("  {name:width$}  {meaning}\n"));
    format!("Environment [default]; an empty variable counts as absent:\n{}", lines.collect::<String>())
}

/// Answers `--check-config`: prints the configuration if it is valid.
///
/// # Errors
///
/// The error of the check.
pub fn answer_check(config: &impl Serialize, checked: anyhow::Result<()>) -> anyhow::Result<()> {
    checked?;
    print!("{}", shown(config));
    Ok(())
}

/// Limits in a unit of systemd, so that tests can compare them with the bounds of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitLimits {
    /// `MemoryMax`.
    pub memory_bytes_max: u64,
    /// `LimitNOFILE`.
    pub files_max: u64,
}

impl UnitLimits {
    /// Parses a unit; `None` if a limit is missing or not written like `1700M`.
    pub fn read(unit: &str) -> Option<Self> {
        let value = |name: &str| unit.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        let mebibytes: u64 = value("MemoryMax")?.strip_suffix('M')?.parse().ok()?;
        Some(Self { memory_bytes_max: mebibytes << 20, files_max: value("LimitNOFILE")?.parse().ok()? })
    }
}
