//! What drills and measurements put in.

/// A log of millions of synthetic events.
pub mod history;
