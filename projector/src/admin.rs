//! What operators ask and decide, beside projectors that run: `projector status`, `projector rebuild`, … Most of it works
//! on the database alone; what reads the log says so.

mod cli;

pub mod status;

pub mod acknowledge;

pub mod parked;

pub mod repeats;

pub mod rebuild;

pub mod promote;

pub mod verify;

pub mod diff;

pub mod archive;

pub mod erase;

mod scope_args;

mod progress;

pub use cli::{Admin, Task};
