//! What operators ask and decide: `projector status`, `projector acknowledge`, `projector parked …`. They work on the
//! database alone, beside projectors that run.

/// How every partition is.
pub mod status;

/// Going on without a piece of history, or with another one.
pub mod acknowledge;

/// Events that could not be read.
pub mod parked;

/// Events that came again.
pub mod repeats;
