//! Faults of the network and of disks.

/// A TCP proxy between ingest and the log that breaks connections on request.
pub(crate) mod proxy;

/// A small file system for one test, which can be filled.
pub(crate) mod disk;
