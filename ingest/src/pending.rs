//! Events in the queue of their partition, and whether they are still to be stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use contract::Receipt;
use service::traces::SpanContext;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use crate::publisher::Unstored;

/// Events that wait together, and stay together in their envelope.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) lines: Vec<u8>,
    pub(crate) events: u32,
    pub(crate) deadline: Instant,
    pub(crate) answer: oneshot::Sender<Result<Receipt, Unstored>>,
    /// Those of its request.
    pub(crate) parts: Arc<RequestParts>,
    /// Of its request, if somebody traces it.
    pub(crate) trace: Option<Box<SpanContext>>,
    pub(crate) _room: OwnedSemaphorePermit,
}

impl Pending {
    /// Whether it is still to be stored. Where the client has hung up nothing of its request is, unless a part of it was
    /// taken before: then all of it is. Once its time is up its answer is given, and nothing is stored any more.
    pub(crate) fn take(&self) -> bool {
        if !self.answer.is_closed() {
            return self.parts.take();
        }
        Instant::now() < self.deadline && !self.parts.forget()
    }
}

/// The parts of one request, each in the queue of its partition. Where a client hangs up, all of them are published or
/// none: the first that is looked at decides.
#[derive(Debug, Default)]
pub struct RequestParts(AtomicU8);

impl RequestParts {
    const WAITING: u8 = 0;
    const TAKEN: u8 = 1;
    const FORGOTTEN: u8 = 2;

    /// A part is about to be published: whether it may be.
    pub(crate) fn take(&self) -> bool {
        self.decide(Self::TAKEN) == Self::TAKEN
    }

    /// The client has hung up: whether nothing is published.
    pub(crate) fn forget(&self) -> bool {
        self.decide(Self::FORGOTTEN) == Self::FORGOTTEN
    }

    fn decide(&self, decision: u8) -> u8 {
        let decided = self.0.compare_exchange(Self::WAITING, decision, Ordering::AcqRel, Ordering::Acquire);
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
