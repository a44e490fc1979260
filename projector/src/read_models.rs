//! The read models in Postgres: their generations, checkpoints and rows. Knows nothing of the log.

/// The schema, brought to this version.
pub mod migrate;

/// Complete sets of read models.
pub mod generation;

/// The key of what one task writes.
pub mod slice;

/// How far a partition is folded.
pub mod checkpoint;

/// Why a partition stands still.
pub(crate) mod halt;

/// One batch, in one transaction.
pub mod commit;

/// One envelope, committed line by line.
pub(crate) mod commit_lines;

/// Why a batch is not committed.
pub mod error;

/// The list of tables.
pub mod tables;

/// The statements that add to read models.
pub mod write;

/// Event ids that were seen lately.
pub mod dedup_store;

/// What a month that is over comes to.
pub(crate) mod month_summary;

/// Compares two generations.
pub(crate) mod compare;

/// Numbers as Postgres stores them.
pub(crate) mod bigint;
