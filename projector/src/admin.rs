//! What operators ask and decide, beside projectors that run: `projector status`, `projector rebuild`, … Most of it works
//! on the database alone; what reads the log says so.

/// The commands, as they are typed.
mod cli;

/// Shows how everything is.
pub mod status;

/// Lets a partition go on without a piece of history, or with another one.
pub mod acknowledge;

/// Events that could not be read.
pub mod parked;

/// Events that came again.
pub mod repeats;

/// Builds new read models beside the active ones.
pub mod rebuild;

/// Chooses the generation that reports come from.
pub mod promote;

/// Proves the active generation against the log.
pub mod verify;

/// Compares two generations.
pub mod diff;

/// Writes old envelopes into files, takes them out of the log, and brings them back.
pub mod archive;

/// Erases the events of a site or a user.
pub mod erase;

/// Which part is compared.
mod scope_args;

/// How far a command has come.
mod progress;

pub use cli::{Admin, Task};
