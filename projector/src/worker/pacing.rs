//! Keeps builds that reports do not need yet from taking the machine.

/// How far a generation that is built may be folded now.
pub(crate) mod limit;

/// Limits of one batch.
pub(crate) mod limits;

/// How much one batch may take.
pub(crate) mod batch_size;

/// How many wide batches are folded at once.
pub mod slots;

/// How much of the time a processor is used.
pub(crate) mod throttle;
