//! Command line of every process: `--version`, `--help` with its variables, and `--check-config`.

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::access::KeysCommand;
use crate::config::{Configuration, from_env, shown};
use crate::{VERSION, logging};

/// A variable beside those of a configuration.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    name: &'static str,
    /// Meaning, and the default in brackets.
    meaning: &'static str,
}

/// Variable of every process.
const LOG_LEVEL: Variable = Variable {
    name: "RUST_LOG",
    meaning: "Level of log lines: error, warn, info, debug or trace, also by module [info]",
};

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

/// A program that clients send requests to.
#[derive(Debug, Clone, Copy)]
pub struct Server {
    /// Name of the program.
    pub name: &'static str,
    /// What it does, for `--help`.
    pub about: &'static str,
    /// Variables beside those of the configuration.
    pub variables: &'static [Variable],
    /// Variable that names the file of keys.
    pub keys_variable: &'static str,
    /// Validates a site that a key is made for.
    pub check_site: fn(&str) -> Result<(), String>,
}

#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    options: Options,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve clients (the default).
    Run,
    /// Create, list and revoke the keys of clients, in the file that the service's variable names.
    Keys(KeysCommand),
}

impl Server {
    /// Does what the command line asks for. To serve clients is left to the caller: then logging is started, and the
    /// configuration is returned.
    ///
    /// # Errors
    ///
    /// The configuration is invalid, or the command failed.
    pub async fn configure<C: Configuration>(self) -> anyhow::Result<Option<C>> {
        let command = Arguments::command().name(self.name).about(self.about).version(VERSION);
        let matches = command.after_help(help::<C>(self.variables)).get_matches();
        let Arguments { options, command } = Arguments::from_arg_matches(&matches)?;
        if options.check_config {
            return check_config::<C>().map(|()| None);
        }
        if let Some(Command::Keys(keys)) = command {
            return keys.run(self.keys_variable, self.check_site).await.map(|()| None);
        }
        let config: C = from_env()?;
        logging::init(config.log_format());
        Ok(Some(config))
    }
}

/// Text about all variables of a process, for the end of its `--help`: of its configuration, and `further` ones.
pub fn help<C: Configuration>(further: &[Variable]) -> String {
    let fields = C::FIELDS.iter().map(|(field, documentation)| (field.to_uppercase(), meaning(documentation)));
    let further = [LOG_LEVEL].into_iter().chain(further.iter().copied());
    let further = further.map(|Variable { name, meaning }| (name.to_owned(), meaning.to_owned()));
    let all: Vec<_> = fields.chain(further).collect();
    let width = all.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines = all.iter().map(|(name, meaning)| format!("  {name:width$}  {meaning}\n"));
    format!("Environment [default]; an empty variable counts as absent:\n{}", lines.collect::<String>())
}

/// Meaning of a variable and its default in brackets, from the first paragraph of a field's documentation.
fn meaning(documentation: &[&str]) -> String {
    let paragraph: Vec<_> = documentation.iter().map(|line| line.trim()).take_while(|line| !line.is_empty()).collect();
    let paragraph = paragraph.join(" ").replace('`', "");
    let sentence = paragraph.trim_end_matches('.');
    match sentence.split_once(". Default: ") {
        Some((meaning, default)) => format!("{meaning} [{default}]"),
        None => sentence.to_owned(),
    }
}

/// Answers `--check-config`: prints the configuration if it is valid.
///
/// # Errors
///
/// The configuration is invalid.
pub fn check_config<C: Configuration>() -> anyhow::Result<()> {
    let config: C = from_env()?;
    config.check()?;
    print!("{}", shown(&config));
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
