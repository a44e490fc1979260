//! The read models in Postgres: their generations, checkpoints and rows. Knows nothing of the log.

pub mod migrate;

pub mod generation;

pub mod slice;

pub mod checkpoint;

pub(crate) mod halt;

pub mod commit;

pub(crate) mod commit_lines;

pub mod error;

/// The list of tables.
pub mod tables;

/// The statements that add to read models.
pub mod write;

pub mod dedup_store;

pub(crate) mod month_summary;

pub(crate) mod compare;

pub(crate) mod bigint;
