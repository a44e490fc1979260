//! Faults of a chaos run: processes killed and frozen, connections cut, promises of the log broken.

/// What can be killed and frozen, and how it is started again.
pub(in crate::chaos) mod target;

/// What is done to each process, and when.
pub(in crate::chaos) mod plan;

/// When which process was down.
pub(in crate::chaos) mod outages;

/// Kills, freezes and restarts.
pub(in crate::chaos) mod monitor;

/// Connections to the log that break.
pub(in crate::chaos) mod network;

/// What a nemesis makes the log's server suffer.
pub(in crate::chaos) mod orders;

/// When the log broke a promise.
pub(in crate::chaos) mod breaches;

/// Faults that chance alone would not bring about: each at its worst moment.
pub(in crate::chaos) mod nemesis;
