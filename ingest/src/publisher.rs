//! Group commit: events wait in their partition's queue until the envelope before them is acknowledged, then all that
//! wait become the next one. No timer: an event that is alone goes at once.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use contract::{Partition, Receipt};
use service::traces::SpanContext;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::committer::Committer;
use crate::config::Config;
use crate::log::Log;
use crate::pending::Pending;
pub use crate::pending::RequestParts;
use crate::submission::Submission;

/// What a waiting event costs beside its bytes: queue entry, answer, waiting task.
const EVENT_OVERHEAD_BYTES: usize = 512;

/// Gives events to the log.
#[derive(Debug, Clone)]
pub struct Publisher {
    queues: Arc<[mpsc::UnboundedSender<Pending>]>,
    log: Log,
    /// Bounds the queues, in bytes over all of them.
    room: Arc<Semaphore>,
    bytes_max: usize,
    deadline: Duration,
}

/// Why it is not sure that an event is stored. Sending it again is right in each case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unstored {
    /// Too many events wait already.
    #[error("too many events are waiting for the log; send this one again")]
    QueueFull,
    /// No answer from the log in time.
    #[error("the log did not confirm the event in time; send it again")]
    Deadline,
    /// The log has a bound of its own, and has reached it.
    #[error("the log is full; send the event again later")]
    LogFull,
    /// The log breaks a promise, and nothing is given to it.
    #[error("the log is not set up to keep events safe; send the event again later")]
    LogRefused,
    /// The log breaks a promise of time: ids are remembered by its clock.
    #[error("the clocks of this service and of its log differ; send the event again later")]
    ClocksDiffer,
    /// The log takes smaller messages than a moment ago.
    #[error("the log takes less at once than before; send the events again")]
    TooLarge,
    /// The process is about to end.
    #[error("the service is stopping; send the event again")]
    Stopping,
}

impl Unstored {
    /// All of them.
    pub(crate) const ALL: [Self; 7] = [
        Self::QueueFull,
        Self::Deadline,
        Self::LogFull,
        Self::LogRefused,
        Self::ClocksDiffer,
        Self::TooLarge,
        Self::Stopping,
    ];

    /// For programs; stays what it is when sentences change.
    pub fn code(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Deadline => "log_too_slow",
            Self::LogFull => "log_full",
            Self::LogRefused => "log_unsafe",
            Self::ClocksDiffer => "clocks_differ",
            Self::TooLarge => "log_takes_less",
            Self::Stopping => "stopping",
        }
    }
}

impl Publisher {
    /// Starts a committer for each partition.
    pub(crate) fn start(log: &Log, config: &Config, tasks: &mut JoinSet<Result<()>>) -> Self {
        let queues = Partition::all(config.partitions).map(|partition| {
            let (queue, waiting) = mpsc::unbounded_channel();
            tasks.spawn(Committer::new(partition, log.clone(), waiting).run());
            queue
        });
        Self {
            queues: queues.collect(),
            log: log.clone(),
            room: Arc::new(Semaphore::new(config.queue_bytes_max)),
            bytes_max: config.queue_bytes_max,
            deadline: config.publish_deadline(),
        }
    }

    /// Bytes of events that wait for the log, and how many may.
    pub(crate) fn depth(&self) -> (usize, usize) {
        (self.bytes_max.saturating_sub(self.room.available_permits()), self.bytes_max)
    }

    /// Returns once the events are on the log's disk, with the receipt of the first; the others lie on the lines
    /// behind it. `parts` is one value for all that a request publishes. `trace` is the place of their request in its trace, if somebody traces it.
    ///
    /// # Errors
    ///
    /// It is not certain that they are.
    pub async fn publish(
        &self,
        submission: Submission,
        parts: Arc<RequestParts>,
        trace: Option<&SpanContext>,
    ) -> Result<Receipt, Unstored> {
        let Submission { partition, lines, events } = submission;
        let cost = lines.len() + EVENT_OVERHEAD_BYTES * events as usize;
        let cost = u32::try_from(cost).map_err(|_| Unstored::QueueFull)?;
        let room = self.room.clone().try_acquire_many_owned(cost).map_err(|_| Unstored::QueueFull)?;
        let deadline = Instant::now() + self.deadline;
        let (answer, stored) = oneshot::channel();
        let trace = trace.cloned().map(Box::new);
        self.queues[usize::from(partition.number())]
            .send(Pending { lines, events, deadline, answer, parts, trace, _room: room })
            .map_err(|_| Unstored::Stopping)?;
        match tokio::time::timeout_at(deadline, stored).await {
            Ok(Ok(stored)) => stored,
            Ok(Err(_)) => Err(Unstored::Stopping),
            // At the same moment as the committer, which may not have come to it yet.
            Err(_) if self.log.needs_change(partition) => Err(Unstored::LogRefused),
            Err(_) => Err(Unstored::Deadline),
        }
    }
}
