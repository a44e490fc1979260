//! Erasing events from the log: of a site, or of one of its users. What is left of an envelope is amended first, then the
//! envelope is deleted; so whatever is killed in between, every event of everybody else lies in one of the two places,
//! and the same run goes on where it ended. Read models are somebody else's concern: see `operator/forget.rs`.

/// Whose events, and what is left of an envelope without them. Pure.
mod whose;

/// All envelopes of a partition, one after the other.
pub(crate) mod walk;

/// What takes them out of the log, and when.
pub(crate) mod take_out;

/// One envelope, amended and deleted.
mod eraser;

/// That it was done.
pub(crate) mod record;

/// Whether anything is left.
pub(crate) mod search;

pub(crate) use eraser::Eraser;
pub(crate) use take_out::TakeOut;
pub(crate) use whose::Whose;
