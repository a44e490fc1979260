#![doc = include_str!("../README.md")]
#![warn(missing_docs, clippy::missing_errors_doc)]

pub mod config;

pub mod address;

pub mod cli;

pub mod logging;

pub mod traces;

pub mod shutdown;

mod file_watch;

pub mod http;

pub mod access;

pub mod listener;

pub use address::Address;
pub use http::{ApiError, drain};
pub use traces::Span;

/// Version and commit of the build.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (commit ", env!("TIDEMARK_COMMIT"), ")");
