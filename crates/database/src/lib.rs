//! Postgres as projector and query use it: how it is addressed, what each connection is set to, and whether it can be
//! worked with. A crate of its own, because ingest has no client of Postgres.

#![warn(missing_docs, clippy::missing_errors_doc)]

/// One reader of database URLs.
mod address;

/// Settings of a connection.
mod session;

/// What is asked before anything else.
mod fitness;

pub use address::{InvalidAddress, options};
pub use fitness::{Unfit, Use, check};
pub use session::Session;
