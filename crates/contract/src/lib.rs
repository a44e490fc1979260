//! What all processes of Tidemark agree on: events, envelopes, receipts, names in the log, sketches.
//!
//! There is no I/O here, no clock and no async runtime: every function is a function of its arguments. An envelope as
//! it lies in the log, one event a line:
//!
//! ```json
#![doc = include_str!("../fixtures/envelope.ndjson")]
//! ```

#![warn(missing_docs, clippy::missing_errors_doc)]

/// One fact about a site, and the rules that make it one.
pub mod event;

/// The parts of an event: each a type whose values are valid.
pub mod field;

/// Paths as they are counted.
pub mod path;

/// Where a visit came from.
pub mod referrer;

/// Streams, subjects, partitions, headers.
pub mod log;

/// One message of the log: some events of one partition.
pub mod envelope;

/// Where an event lies in the log.
pub mod receipt;

/// How many different users, in 12 KB or less.
pub mod sketch;

/// The paths with the most views.
pub mod top_paths;

/// User ids, hashed under the deployment's key.
pub mod digest;

pub use digest::{Digest, EventDigest, KeyId, SketchKey};
pub use envelope::Envelope;
pub use event::{Event, InvalidEvent};
pub use field::{EventId, EventPath, EventType, SiteId, UserId};
pub use log::Partition;
pub use receipt::Receipt;
pub use referrer::Referrer;
pub use sketch::Sketch;
pub use top_paths::TopPaths;
