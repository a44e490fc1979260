#![doc = include_str!("../README.md")]
//! ```json
#![doc = include_str!("../fixtures/envelope.ndjson")]
//! ```

#![warn(missing_docs, clippy::missing_errors_doc)]

pub mod event;

pub mod field;

pub mod path;

pub mod referrer;

pub mod subjects;

pub mod envelope;

pub mod receipt;

pub mod top_paths;

pub mod digest;

pub use digest::{Digest, EventDigest, KeyId, SketchKey};
pub use envelope::Envelope;
pub use event::{Event, InvalidEvent};
pub use field::{EventId, EventPath, EventType, SiteId, UserId};
pub use receipt::Receipt;
pub use referrer::Referrer;
pub use sketch::{self, Sketch};
pub use subjects::Partition;
pub use top_paths::TopPaths;
