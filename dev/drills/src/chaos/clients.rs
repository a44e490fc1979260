//! Clients of a chaos run, and the events that they send.

/// Events, and where each must be counted.
pub(in crate::chaos) mod visit;

/// Requests as an SDK sends them.
pub(in crate::chaos) mod request;

/// SDKs: they retry until they have a 200.
pub(in crate::chaos) mod sdk;

/// Clients that send events without an id, once.
pub(in crate::chaos) mod without_ids;

/// Clients that hang up, and send again by themselves.
pub(in crate::chaos) mod browser;

/// A site whose events have as many paths, types and days as there are events.
pub(in crate::chaos) mod hostile;

/// Messages that no projector can read, published by hand.
pub(in crate::chaos) mod unreadable;
