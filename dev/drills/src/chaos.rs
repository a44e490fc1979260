//! The chaos run: a real stack under load whose processes are killed and frozen at random, and a comparison, to the
//! event, of what was acknowledged with what was counted.
//!
//! Everything here runs as one task: what the parts share needs no lock, and ends when the run is dropped.

/// What a run is asked for.
mod options;

/// Random numbers: everything that the seed decides.
mod random;

/// Clients, and the events that they send.
mod clients;

/// Processes killed and frozen, connections cut, promises of the log broken.
mod faults;

/// A line every few seconds.
mod progress;

/// What was acknowledged against what was counted and reported.
mod verdict;

/// The figures, and PASS or what differs.
mod outcome;

/// All parts, from beginning to end.
mod run;

pub use options::Options;
pub use outcome::Outcome;
pub use run::run;
