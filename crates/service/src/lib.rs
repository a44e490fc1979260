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

/// A count as the value of a metric.
#[expect(clippy::cast_precision_loss, reason = "a metric is a float")]
pub fn as_float(count: u64) -> f64 {
    count as f64
}

/// Version and commit of the build.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (commit ", env!("TIDEMARK_COMMIT"), ")");
