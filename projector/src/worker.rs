//! What runs: follows the log into the read models, one task for each partition of each generation.

/// What all tasks share.
pub(crate) mod context;

/// Which generations this projector builds.
pub(crate) mod bootstrap;

/// All generations that are followed, each with its partitions.
pub(crate) mod generations;

/// Assigns partitions to this projector.
pub(crate) mod assignment;

/// State of a generation's partitions.
pub(crate) mod partitions;

/// One partition, from its checkpoint on.
pub(crate) mod partition;

/// Batches of envelopes.
pub(crate) mod batch;

/// Ownership of partitions.
pub(crate) mod lease;

/// Gaps that an operator has acknowledged.
pub(crate) mod acknowledged;

/// How far, how wide and how fast is folded.
pub mod pacing;

/// Where each stream ends.
pub(crate) mod high_water_mark;

/// Months that are over, summed up.
pub(crate) mod monthly_rollup;

/// Parked events that wait for a decision.
pub(crate) mod parked_gauge;

/// Health and metrics over HTTP.
pub(crate) mod health;
