//! Read models, the log and processes, observed from outside.

/// Read models as text, to be compared.
pub mod snapshot;

/// Month summaries of the active generation.
pub mod summaries;

/// Messages and streams of the log.
pub mod log;

/// Memory, unread bytes and file limits of a process, as the kernel reports them.
pub mod kernel;
