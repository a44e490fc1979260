//! Real servers, killed and restarted; real processes, orphaned.

/// nats-server comes back with its data.
mod nats;

/// Postgres comes back with its data.
mod postgres;

/// Children die with their parent.
mod orphan;

/// A child is stopped, killed, frozen, and its log read.
mod process;
