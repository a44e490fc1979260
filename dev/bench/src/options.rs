//! What it can be asked for.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use launcher::build::Profile;

/// Measures Tidemark against what the machine could do, and against what one would write instead.
#[derive(Debug, Clone, Parser)]
#[command(name = "bench")]
pub(crate) struct Options {
    /// What to measure
    #[arg(value_enum, default_value_t = Scenario::All)]
    pub(crate) scenario: Scenario,

    /// Seconds instead of minutes: shows that everything still runs, and measures nothing
    #[arg(long)]
    pub(crate) smoke: bool,

    /// Where JSON goes
    #[arg(long, default_value = "target/bench")]
    pub(crate) out: PathBuf,

    /// Where to listen, for `serve-…`
    #[arg(long, hide = true, default_value_t = 0)]
    pub(crate) port: u16,
}

/// What to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// All of the following
    All,
    /// `POST /event`, one event a request, against parsing and checking it
    Ingest,
    /// `POST /events`, 500 events a request, against parsing and checking them
    Batches,
    /// From the 200 to the report that contains the event
    Freshness,
    /// Replay of the log into Postgres, against reading and decoding it
    Rebuild,
    /// Events a second that are counted within a second, over many sites
    Live,
    /// From the POST to all of a thousand clients of `GET /live`
    LiveClients,
    /// `GET /stats`, against `select 1` through the same server
    Report,
    /// What an event costs as there are more of them
    Growth,
    /// Ingest and reports beside one table with one row an event
    Instead,
    /// What recognising repeats costs
    Repeats,
    /// Internal: parses, checks, and stores nothing
    #[value(hide = true)]
    ServeCeiling,
    /// Internal: answers `select 1`
    #[value(hide = true)]
    ServeSelect,
    /// Internal: one table with one row an event
    #[value(hide = true)]
    ServeInstead,
}

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    /// Ours and the ceiling take turns so often; the median counts.
    pub(crate) rounds: usize,
    /// Each turn.
    pub(crate) turn: Duration,
    /// Each turn of a report: thousands of them.
    pub(crate) report: Duration,
    /// Events of a large log.
    pub(crate) events: u64,
    /// How the services are built.
    pub(crate) profile: Profile,
}

impl Options {
    pub(crate) fn scale(&self) -> Scale {
        if self.smoke {
            Scale {
                rounds: 1,
                turn: Duration::from_millis(500),
                report: Duration::from_millis(200),
                events: 100_000,
                profile: Profile::Dev,
            }
        } else {
            Scale {
                rounds: 3,
                turn: Duration::from_secs(2),
                report: Duration::from_secs(1),
                events: 10_000_000,
                profile: Profile::Release,
            }
        }
    }
}
