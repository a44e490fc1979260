//! The verdict on a chaos run: what was acknowledged against what was counted and reported.

/// What was acknowledged, to the event.
pub(in crate::chaos) mod ledger;

/// Reports, judged all along.
pub(in crate::chaos) mod watch;

/// Broken promises, by kind.
pub(in crate::chaos) mod findings;

/// The read models against the ledger.
pub(in crate::chaos) mod comparison;

/// Reports against the ledger.
pub(in crate::chaos) mod reports;

/// The end: the log is drained, everything is compared, everything is folded once more.
pub(in crate::chaos) mod ending;
