//! What a run is asked for.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use launcher::build::{self, Profile, Services};

/// Kills and freezes the processes of a whole Tidemark under load, and compares what was acknowledged with what was
/// counted. Ctrl-C stops it.
#[derive(Clone, Debug, Parser)]
#[command(name = "chaos")]
pub struct Options {
    /// How long faults are made; draining and comparing come after that
    #[arg(long, default_value_t = 10.0, value_parser = minutes)]
    pub minutes: f64,

    /// Decides the faults and the traffic; random unless given
    #[arg(long)]
    pub seed: Option<u64>,

    /// Events a second, at most 2000: two cores carry the load, the stack and its restarts
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    pub rate: u32,

    /// The longest time in seconds that a process runs between two faults
    #[arg(long, default_value_t = 18, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub calm_seconds: u32,

    /// Send nothing on purpose that was acknowledged already
    #[arg(long)]
    pub no_resends: bool,

    /// Run services as `cargo build` makes them, instead of release ones
    #[arg(long)]
    pub dev: bool,

    /// Run the programs `ingest`, `projector` and `query` in this folder, instead of building them
    #[arg(long, value_name = "FOLDER", conflicts_with = "dev")]
    pub services: Option<PathBuf>,
}

impl Options {
    /// For how long faults are made.
    pub(in crate::chaos) fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.minutes * 60.0)
    }

    /// The programs to run, built if need be.
    pub(in crate::chaos) async fn programs(&self) -> Result<Services> {
        match &self.services {
            Some(folder) => {
                let folder = folder.canonicalize().with_context(|| format!("looking for {}", folder.display()))?;
                let program = |name: &str| folder.join(name);
                Ok(Services { ingest: program("ingest"), projector: program("projector"), query: program("query") })
            }
            None => build::services(if self.dev { Profile::Dev } else { Profile::Release }).await,
        }
    }
}

/// Up to a day.
fn minutes(text: &str) -> std::result::Result<f64, String> {
    let minutes: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.1..=1_440.0).contains(&minutes) { Ok(minutes) } else { Err("not between 0.1 and 1440".to_owned()) }
}
