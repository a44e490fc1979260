//! Queues of events that wait for the log, one for each partition.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use contract::{Partition, Receipt};
use service::traces::SpanContext;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::error::PublishError;
use super::group_commit::GroupCommit;
use super::pending::{Pending, RequestParts};
use crate::config::Config;
use crate::log::Log;
use crate::memory::{Memory, Reservation};
use crate::submission::Submission;

/// Memory that a waiting event takes beside its bytes: queue entry, channel for the answer, waiting task.
const EVENT_OVERHEAD_BYTES: usize = 512;

/// Queues events for the log; clones share the queues.
#[derive(Debug, Clone)]
pub(crate) struct PublishQueue {
    queues: Arc<[mpsc::UnboundedSender<Pending>]>,
    log: Log,
    /// Bounds the bytes of all queues together.
    memory: Arc<Memory>,
    deadline: Duration,
}

impl PublishQueue {
    /// Starts the group commit of each partition.
    pub(crate) fn start(log: &Log, config: &Config, tasks: &mut JoinSet<Result<()>>) -> Self {
        let queues = Partition::all(config.partitions).map(|partition| {
            let (queue, waiting) = mpsc::unbounded_channel();
            tasks.spawn(GroupCommit::new(partition, log.clone(), waiting).run());
            queue
        });
        Self {
            queues: queues.collect(),
            log: log.clone(),
            memory: Arc::new(Memory::new(config.queue_bytes_max)),
            deadline: config.publish_deadline(),
        }
    }

    /// Bytes of waiting events, with [`EVENT_OVERHEAD_BYTES`] for each.
    pub(crate) fn bytes(&self) -> usize {
        self.memory.bytes()
    }

    /// Bytes that may wait.
    pub(crate) fn bytes_max(&self) -> usize {
        self.memory.bytes_max()
    }

    /// Returns once the events are on the log's disk, with the receipt of the first; the others lie on the lines behind
    /// it. `parts` is one value for everything that a request publishes, `trace` the span of a request that is traced.
    ///
    /// # Errors
    ///
    /// The events may not be stored.
    pub(crate) async fn publish(
        &self,
        submission: Submission,
        parts: Arc<RequestParts>,
        trace: Option<&SpanContext>,
    ) -> Result<Receipt, PublishError> {
        let Submission { partition, lines, events } = submission;
        let cost = lines.len() + EVENT_OVERHEAD_BYTES * events as usize;
        let mut memory = Reservation::new(self.memory.clone(), parts.owners().to_vec());
        memory.take(cost).map_err(|_| PublishError::QueueFull)?;
        let deadline = Instant::now() + self.deadline;
        let (answer, stored) = oneshot::channel();
        let trace = trace.cloned().map(Box::new);
        self.queues[usize::from(partition.number())]
            .send(Pending { lines, events, deadline, answer, parts, trace, _memory: memory })
            .map_err(|_| PublishError::Stopping)?;
        match tokio::time::timeout_at(deadline, stored).await {
            Ok(Ok(stored)) => stored,
            Ok(Err(_)) => Err(PublishError::Stopping),
            // Group commit decides the same at this moment, but may not have come to this event yet.
            Err(_) if self.log.needs_change(partition) => Err(PublishError::LogRefused),
            Err(_) => Err(PublishError::Deadline),
        }
    }
}
