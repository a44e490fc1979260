//! Group commit: events wait in the queue of their partition until the envelope before them is acknowledged, then all
//! waiting events become the next envelope. There is no timer: an event that is alone is published at once.
//!
//! Way of an event: [`PublishQueue::publish`] → queue of its partition → [`group_commit`] → JetStream, and the `PubAck`
//! back to the request as a [`contract::Receipt`].

mod envelope;
mod error;
mod failure;
mod group_commit;
mod pending;
mod queue;

pub(crate) use error::PublishError;
pub(crate) use pending::RequestParts;
pub(crate) use queue::PublishQueue;
