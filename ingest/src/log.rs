//! The log as ingest sees it: one connection, whether it may be given events, and what it takes.
//!
//! A 2xx promises that an event is on disk and will be counted once. The log keeps that promise only with the right
//! configuration, so events are published only while [`watch`] has found the servers and streams as they have to be.

mod account_limit;
mod clocks;
mod connect;
mod connection_events;
mod findings;
mod message_size;
mod monitor;
mod status;
mod storage_gauge;
mod streams;
mod sync_check;
mod watch;

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard, PoisonError};

use async_nats::jetstream;
use contract::Partition;
use tokio::sync::Notify;
use tokio::time::Instant;

use account_limit::AccountLimit;
use clocks::{Clocks, Present};
use connection_events::{Refusals, is_fresh};
use status::{ProblemKind, Status, Streams};

pub(crate) use connect::connect;
pub(crate) use message_size::body_bytes_max;
pub(crate) use storage_gauge::{ServerNames, watch as watch_storage};
pub(crate) use streams::DUPLICATE_WINDOW_MIN;

/// A handle to the log; clones share one connection.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    pub(crate) jetstream: jetstream::Context,
    partitions: u16,
    status: tokio::sync::watch::Receiver<Status>,
    doubts: Arc<Notify>,
    clocks: Arc<Clocks>,
    refusals: Arc<Refusals>,
    account_limit: Arc<AccountLimit>,
}

/// Why no event may be given to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// A server or stream is configured so that it breaks a promise.
    ByPromise,
    /// Clocks of ingest and log differ.
    ByClocks,
}

impl Log {
    /// Answer of `/readyz`. One stream that works is enough: while others have no leader every ingest lacks the same
    /// streams, so none of them should be taken out of service.
    pub(crate) fn readiness(&self) -> Result<(), String> {
        let kind = match &*self.status.borrow() {
            Status::Trusted(streams) => {
                let refusals = self.refusals();
                let is_unusable =
                    |partition: &Partition| streams.silent.contains_key(partition) || is_fresh(refusals.get(partition));
                if !Partition::all(self.partitions).all(|partition| is_unusable(&partition)) {
                    return Ok(());
                }
                streams.problem().map_or(ProblemKind::NotPermitted, |problem| problem.kind)
            }
            Status::Unknown(problem) | Status::Refused(problem) => problem.kind,
        };
        Err(kind.to_string())
    }

    /// The latest time that it can be by the clocks of ingest and log.
    pub(crate) fn present(&self) -> Present {
        self.clocks.present()
    }

    /// Bytes of a message, headers included, that a partition's stream takes.
    pub(crate) fn message_bytes_max(&self, partition: Partition) -> usize {
        let connection = self.connection_bytes_max();
        match &*self.status.borrow() {
            Status::Trusted(streams) => {
                streams.message_bytes_max.get(&partition).map_or(connection, |bytes| connection.min(*bytes))
            }
            _ => connection,
        }
    }

    /// Bytes of a message, headers included, that every stream takes.
    pub(crate) fn least_message_bytes_max(&self) -> usize {
        let connection = self.connection_bytes_max();
        match &*self.status.borrow() {
            Status::Trusted(streams) => {
                streams.message_bytes_max.values().fold(connection, |least, max| least.min(*max))
            }
            _ => connection,
        }
    }

    /// Bytes of a message, headers included, that the server takes from ingest's account.
    fn connection_bytes_max(&self) -> usize {
        self.jetstream.client().max_payload().min(self.account_limit.bytes())
    }

    /// Records that a partition's stream has refused an envelope.
    pub(crate) fn refused(&self, partition: Partition) {
        self.refusals().insert(partition, Instant::now());
    }

    /// Records that a partition's stream has stored an envelope.
    pub(crate) fn stored(&self, partition: Partition) {
        self.refusals().remove(&partition);
    }

    /// Whether a partition's stream will store nothing before a person changes its configuration, as far as is known.
    pub(crate) fn needs_change(&self, partition: Partition) -> bool {
        let is_refused = is_fresh(self.refusals().get(&partition));
        is_refused
            || match &*self.status.borrow() {
                Status::Trusted(Streams { silent, .. }) => {
                    silent.get(&partition).is_some_and(|problem| problem.kind == ProblemKind::PeerUnknown)
                }
                Status::Unknown(problem) => problem.kind == ProblemKind::PeerUnknown,
                Status::Refused(_) => false,
            }
    }

    fn refusals(&self) -> MutexGuard<'_, BTreeMap<Partition, Instant>> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for an early check of the log: an envelope got no answer.
    pub(crate) fn doubt(&self) {
        self.doubts.notify_one();
    }

    /// Returns when the status becomes unknown, as when the connection breaks.
    pub(crate) async fn doubtful(&self) {
        // The watchdog ends only with the process.
        let _ = self.status.clone().wait_for(|status| matches!(status, Status::Unknown(_))).await;
    }

    /// Waits until a partition's stream may be given events.
    ///
    /// # Errors
    ///
    /// The log is configured so that it breaks a promise; waiting longer does not help.
    pub(crate) async fn trusted(&self, partition: Partition) -> Result<(), Refused> {
        let mut status = self.status.clone();
        let is_known = |status: &Status| match status {
            Status::Unknown(_) => false,
            Status::Trusted(Streams { untrusted, .. }) => !untrusted.contains(&partition),
            Status::Refused(_) => true,
        };
        match status.wait_for(is_known).await.as_deref() {
            Ok(Status::Trusted(_)) => Ok(()),
            Ok(Status::Refused(problem)) if problem.kind == ProblemKind::ClocksDiffer => Err(Refused::ByClocks),
            _ => Err(Refused::ByPromise),
        }
    }
}
