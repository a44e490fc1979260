//! Entries of a partition's queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use contract::Receipt;
use service::traces::SpanContext;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::error::PublishError;
use crate::memory::{Owner, Reservation};

/// Events that wait together and stay together in their envelope.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) lines: Vec<u8>,
    pub(super) events: u32,
    pub(super) deadline: Instant,
    pub(super) answer: oneshot::Sender<Result<Receipt, PublishError>>,
    /// All parts of the request.
    pub(super) parts: Arc<RequestParts>,
    /// Span of the request, if it is traced.
    pub(super) trace: Option<Box<SpanContext>>,
    pub(super) _memory: Reservation,
}

impl Pending {
    /// Takes the entry for publication; false if it must not be published any more. After a client has hung up, the parts of
    /// its request are published only if one of them was taken before; after the deadline, its 503 was already answered.
    pub(super) fn take(&self) -> bool {
        if !self.answer.is_closed() {
            return self.parts.take();
        }
        Instant::now() < self.deadline && !self.parts.forget()
    }
}

/// The parts of one request, each in the queue of its partition. If the client hangs up, either all of them are published
/// or none: the first part that is looked at decides.
#[derive(Debug, Default)]
pub(crate) struct RequestParts {
    decision: AtomicU8,
    /// The client, whose share of the queues each part takes.
    owners: Vec<Owner>,
}

impl RequestParts {
    const WAITING: u8 = 0;
    const TAKEN: u8 = 1;
    const FORGOTTEN: u8 = 2;

    /// The parts of a request of this client.
    pub(crate) fn of(owners: Vec<Owner>) -> Self {
        Self { decision: AtomicU8::new(Self::WAITING), owners }
    }

    pub(super) fn owners(&self) -> &[Owner] {
        &self.owners
    }

    /// Decides for publication; false if the request was dropped before.
    pub(super) fn take(&self) -> bool {
        self.decide(Self::TAKEN) == Self::TAKEN
    }

    /// Decides against publication; false if a part was taken before.
    pub(super) fn forget(&self) -> bool {
        self.decide(Self::FORGOTTEN) == Self::FORGOTTEN
    }

    fn decide(&self, decision: u8) -> u8 {
        let decided = self.decision.compare_exchange(Self::WAITING, decision, Ordering::AcqRel, Ordering::Acquire);
        decided.map_or_else(|earlier| earlier, |_| decision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_part_decides_for_all() {
        let parts = RequestParts::default();
        assert!(parts.take() && !parts.forget() && parts.take());
        let parts = RequestParts::default();
        assert!(parts.forget() && !parts.take() && parts.forget());
    }
}
