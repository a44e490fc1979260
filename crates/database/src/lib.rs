#![doc = include_str!("../README.md")]
#![warn(missing_docs, clippy::missing_errors_doc)]

mod address;

mod session;

mod fitness;

pub use address::{InvalidAddress, options};
pub use fitness::{Unfit, Use, check};
pub use session::Session;
