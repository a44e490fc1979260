#![doc = include_str!("../README.md")]

/// Connections to the log.
pub mod connect;

/// The streams that the log has, and their ends.
pub mod streams;

/// Positions in the log.
pub mod position;

/// One partition's stream, and whether it continues what was read.
pub mod stream;

/// Reads the envelopes of a partition, in order and without a gap.
pub mod reader;

/// One envelope of the log.
pub mod entry;

/// The headers of a message.
pub mod headers;

/// Messages that the log is asked for one at a time.
pub mod lookup;

/// Records that replace redacted envelopes.
pub mod redactions;

/// Scans all envelopes of a partition.
pub mod scan;

/// Takes envelopes out of the log.
pub mod deletion;

/// Old envelopes, as files.
pub mod archive;

/// What can be wrong with the log.
pub mod error;
