//! The chaos run: a real stack under load whose processes are killed and frozen at random, and a comparison, to the
//! event, of what was acknowledged with what was counted.
//!
//! Everything here runs as one task: what the parts share needs no lock, and ends when the run is dropped.

/// What a run is asked for.
mod options;

/// Random numbers: everything that the seed decides.
mod chance;

/// What can be killed and frozen, and how it is started again.
mod target;

/// What is done to each process, and when.
mod plan;

/// When which process was down.
mod outages;

/// Kills, freezes and restarts.
mod monitor;

/// Connections to the log that break.
mod cable;

/// What a nemesis has the log's server suffer.
mod orders;

/// When the log broke a promise.
mod breaches;

/// Faults that chance alone would not bring about: each at its worst moment.
mod nemesis;

/// Events, and where each must be counted.
mod visit;

/// Requests as an SDK sends them.
mod request;

/// Clients that send until they have a 200.
mod load;

/// Events without an id.
mod plain;

/// Clients that hang up, and send again by themselves.
mod browser;

/// A site whose events have as many paths, types and days as there are events.
mod hostile;

/// What was acknowledged, to the event.
mod account;

/// Messages that nobody can read, published by hand.
mod poison;

/// Reports, judged all along.
mod watch;

/// A line every few seconds.
mod progress;

/// What must not be, by kind.
mod findings;

/// The read models against the account.
mod comparison;

/// Reports against the account.
mod reports;

/// The end: the log is drained, everything is compared, everything is folded once more.
mod ending;

/// The figures, and PASS or what differs.
mod outcome;

/// All parts, from beginning to end.
mod run;

pub use options::Options;
pub use outcome::Outcome;
pub use run::run;
