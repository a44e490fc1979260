//! Old envelopes of a partition, as files: one JSON object a line and envelope, with its sequence, its time and its schema.
//! A folder a partition, `EVENTS_0`. A file's name says which sequences it has, and the next one goes on behind it:
//!
//! ```text
//! EVENTS_0/SHA256SUMS
//! EVENTS_0/00000000000000000001-00000000000000004711.ndjson
//! ```
//!
//! What is in `SHA256SUMS` is whole: `sha256sum --check SHA256SUMS` proves it. What is not, a run has left that was
//! killed.

mod record;

mod manifest;

mod writer;

mod lock;

pub use lock::Lock;
pub use manifest::{Manifest, SequenceRange, partitions};
pub use record::Record;
pub use writer::Writer;
