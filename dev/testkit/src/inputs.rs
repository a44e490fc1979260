//! Traffic, histories and certificates that tests put in.

/// Traffic of which every count is known.
pub mod traffic;

/// A log of millions of synthetic events.
pub mod history;

/// Certificates that a test issues itself, valid and expired.
pub mod certificates;
