//! Assigns partitions to this projector: each in its own task, its share of them where there are several projectors.
//! Streams that appear are noticed.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;
use contract::Partition;
use fold::Fold;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::context::Context;
use super::lease;
use super::pacing::batch_size::BatchSize;
use super::partition::PartitionWorker;
use super::partition::isolation::Isolation;
use super::partitions::Partitions;
use crate::read_models::slice::Slice;
use event_log::connect::Log;
use event_log::streams;

/// Interval at which streams and projectors are looked for.
const LOOK_PAUSE: Duration = Duration::from_millis(500);

/// Follows this projector's share of all partitions of a generation until `shutdown`.
///
/// # Errors
///
/// A partition's task ended in a way that it must not.
pub(crate) async fn follow(
    partitions: Partitions,
    context: Context,
    fold: Fold,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let mut tasks = JoinSet::new();
    let mut known = BTreeSet::new();
    loop {
        let found = discover(&context.jetstream).await;
        let new: Vec<_> = found.into_iter().filter(|partition| known.insert(*partition)).collect();
        match lease::sign_of_life(&context.pool, &context.instance, partitions.generation()).await {
            Ok(projectors) => partitions.share(known.len(), projectors),
            Err(err) => tracing::debug!(error = %err, "Cannot tell the other projectors of this one"),
        }
        for partition in new {
            let slice = Slice { generation: partitions.generation(), partition };
            let worker = PartitionWorker {
                context: context.clone(),
                fold: fold.clone(),
                slice,
                partitions: partitions.clone(),
                wide: BatchSize::wide(),
                ordinary: BatchSize::ordinary(),
                isolation: Isolation::default(),
            };
            tasks.spawn(worker.run(shutdown.clone()));
        }
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            Some(ended) = tasks.join_next() => ended.context("a partition's task")?,
            () = tokio::time::sleep(LOOK_PAUSE) => {}
        }
    }
    while let Some(ended) = tasks.join_next().await {
        ended.context("a partition's task")?;
    }
    if let Err(err) = lease::farewell(&context.pool, &context.instance, partitions.generation()).await {
        tracing::debug!(error = %err, "Cannot tell the other projectors that this one is gone");
    }
    Ok(())
}

/// The partitions that have a stream. None while the log does not answer: those that are known stay known.
async fn discover(log: &Log) -> Vec<Partition> {
    streams::partitions(log).await.unwrap_or_else(|err| {
        tracing::debug!(error = format!("{err:#}"), "Cannot list streams");
        vec![]
    })
}
