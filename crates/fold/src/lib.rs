#![doc = include_str!("../README.md")]
#![warn(missing_docs, clippy::missing_errors_doc)]

/// Versions of the fold.
mod version;

/// Messages of the log.
mod message;

/// From messages to deltas.
mod fold;

/// Deltas of some messages.
mod deltas;

/// What is counted by name.
mod dimension;

/// Bounds of the names that a site may bring.
mod caps;

/// Counters of a batch while it is folded.
mod counters;

/// Texts, each kept once.
mod interner;

/// Deltas of a batch, in the order of read models' keys.
mod sorted;

/// Recognises repeated events by their ids.
mod dedup;

pub use caps::{Caps, Others, Place, far_month};
pub use dedup::{
    CorruptIds, DedupState, DedupWindow, InvalidWindow, LateDedup, LogClock, NOTES_MAX, SLOTS, SeenIds, TOLERANCE_MS,
    Times, WindowSeconds,
};
pub use deltas::{Deltas, LineDeltas, Parked};
pub use dimension::{Dimension, NameCaps, columns, last_column};
pub use fold::Fold;
pub use message::{Message, WHOLE_ENVELOPE};
pub use sorted::{Counts, Sorted};
pub use version::{FoldVersion, UnknownFold};
