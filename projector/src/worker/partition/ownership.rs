//! Keeps the lease of a partition while it is followed, and gives it back at the end.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::PartitionWorker;
use super::error::PartitionError;
use crate::read_models::checkpoint::Moved;
use crate::read_models::error::CommitError;
use crate::worker::lease;
use crate::worker::partitions::PartitionState;

/// Time for giving a partition back. After it, the lease runs out by itself.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(2);

impl PartitionWorker {
    /// Renews the lease until it is not ours any more. A database that is away is no reason: no other projector can take
    /// the partition there either.
    pub(super) async fn keep_lease(&self, epoch: i64) -> Result<Infallible, PartitionError> {
        loop {
            sleep(self.context.instance.renew_pause()).await;
            if let Ok(false) = lease::renew(&self.context.pool, self.slice, &self.context.instance, epoch).await {
                return Err(CommitError::Moved(Moved { epoch }).into());
            }
        }
    }

    /// Lets another projector go on at once. Where that fails, the lease runs out by itself.
    pub(super) async fn give_back(&self) {
        let released = lease::release(&self.context.pool, self.slice, &self.context.instance);
        if let Ok(Ok(())) = timeout(RELEASE_TIMEOUT, released).await {
            tracing::info!(partition = self.slice.partition.number(), "Gave the partition back");
        }
        self.partitions.set(self.slice.partition, PartitionState::Standby);
    }
}
