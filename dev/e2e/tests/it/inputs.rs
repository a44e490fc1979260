//! Traffic and certificates that tests put in.

/// Traffic of which every count is known.
pub(crate) mod traffic;

/// Certificates that a test issues itself, valid and expired.
pub(crate) mod certificates;
