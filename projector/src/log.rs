//! Reads the log, and takes out of it what is erased or archived. Knows nothing of Postgres.

/// Connections to the log.
pub(crate) mod connect;

/// The streams that the log has, and their ends.
pub(crate) mod streams;

/// One partition's stream, and whether it continues what was read.
pub(crate) mod stream;

/// Reads the envelopes of a partition, in order and without a gap.
pub(crate) mod reader;

/// One envelope of the log.
pub(crate) mod entry;

/// The headers of a message.
pub mod headers;

/// Messages that the log is asked for one at a time.
pub(crate) mod lookup;

/// Records that replace redacted envelopes.
pub(crate) mod redactions;

/// Scans all envelopes of a partition.
pub(crate) mod scan;

/// Takes envelopes out of the log.
pub(crate) mod deletion;

/// Old envelopes, as files.
pub(crate) mod archive;

/// What can be wrong with the log.
pub(crate) mod error;
