//! All partitions, each in its own task. Streams that appear are noticed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream;
use contract::Partition;
use futures_util::TryStreamExt;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::checkpoint::Slice;
use crate::config::Limits;
use crate::projection::{Parts, Projection};

/// Between two looks at which streams there are. The log announces new ones too, but only to whoever is listening.
const DISCOVERY_PAUSE: Duration = Duration::from_secs(2);

/// How each partition is, for `/readyz` and metrics.
#[derive(Debug, Clone, Default)]
pub struct Partitions {
    states: Arc<Mutex<BTreeMap<Partition, PartitionState>>>,
}

/// How one partition is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PartitionState {
    /// Batches are committed as they come.
    Following,
    /// The log or the database is away.
    Waiting(String),
    /// Somebody has to do something.
    Halted(String),
}

impl Partitions {
    /// Follows every partition that exists until `shutdown`.
    ///
    /// # Errors
    ///
    /// A partition's task ended in a way that it must not.
    pub(crate) async fn follow(self, parts: Parts, limits: Limits, shutdown: CancellationToken) -> anyhow::Result<()> {
        let mut tasks = JoinSet::new();
        let mut followed = BTreeSet::new();
        loop {
            for partition in self.discover(&parts.jetstream).await {
                if followed.insert(partition) {
                    let slice = Slice { generation: parts.generation, partition };
                    let projection = Projection { parts: parts.clone(), slice, limits, partitions: self.clone() };
                    tasks.spawn(projection.run(shutdown.clone()));
                }
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(ended) = tasks.join_next() => ended.context("a partition's task")?,
                () = tokio::time::sleep(DISCOVERY_PAUSE) => {}
            }
        }
        while let Some(ended) = tasks.join_next().await {
            ended.context("a partition's task")?;
        }
        Ok(())
    }

    async fn discover(&self, log: &jetstream::Context) -> Vec<Partition> {
        match log.stream_names().try_collect::<Vec<_>>().await {
            Ok(names) => names.iter().filter_map(|name| Partition::of_stream(name)).collect(),
            Err(err) => {
                tracing::debug!(error = %err, "Cannot list streams");
                vec![]
            }
        }
    }

    /// Notes how a partition is; answers whether that is new.
    pub(crate) fn set(&self, partition: Partition, state: PartitionState) -> bool {
        let halted = f64::from(u8::from(matches!(state, PartitionState::Halted(_))));
        metrics::gauge!("projector_partition_halted", "partition" => partition.to_string()).set(halted);
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.insert(partition, state.clone()) != Some(state)
    }

    /// The first partition that does not follow the log, and why.
    pub(crate) fn readiness(&self) -> Result<(), String> {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if states.is_empty() {
            return Err("no partition has been found in the log yet".to_owned());
        }
        for (partition, state) in states.iter() {
            match state {
                PartitionState::Following => {}
                PartitionState::Waiting(reason) => return Err(format!("partition {partition} waits: {reason}")),
                PartitionState::Halted(reason) => return Err(format!("partition {partition} stands still: {reason}")),
            }
        }
        Ok(())
    }
}
