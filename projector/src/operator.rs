//! What operators ask and decide, beside projectors that run: `projector status`, `projector rebuild`, … Most of it works
//! on the database alone; what reads the log says so.

/// The commands, as they are typed.
mod task;

/// How everything is.
pub mod status;

/// Going on without a piece of history, or with another one.
pub mod acknowledge;

/// That what a partition stands still for is so.
mod standstill;

/// Events that could not be read.
pub mod parked;

/// Events that came again.
pub mod repeats;

/// New read models, built beside the active ones.
pub mod rebuild;

/// Which generation reports come from.
pub mod promote;

/// The active generation, proved against the log.
pub mod verify;

/// The same of what is remembered of event ids.
mod remembered;

/// Old envelopes, written into files and taken out of the log.
pub mod archive;

/// The way back.
pub mod restore;

/// Events of a site or a user, erased.
pub mod forget;

/// Two generations, compared.
pub mod diff;

/// Which part is compared.
mod narrow;

/// What a verification builds.
mod scratch;

/// What is missing at the beginning of a stream.
mod accounted;

/// How far something has come, for whoever waits.
mod progress;

pub use task::{Desk, Task};
