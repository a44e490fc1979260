//! Where each stream ends, told to those who do not know the log: query, and operators.

use std::time::Duration;

use async_nats::jetstream;
use contract::Partition;
use futures_util::TryStreamExt;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::checkpoint::as_bigint;

/// Between two looks. Whoever reads it takes what is older than a few of these for stale.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// Looks again and again until `shutdown`. A log or a database that is away is waited for: what is there grows old.
pub(crate) async fn watch(pool: PgPool, log: jetstream::Context, shutdown: CancellationToken) -> anyhow::Result<()> {
    loop {
        if let Err(err) = look(&pool, &log).await {
            tracing::debug!(error = format!("{err:#}"), "Cannot tell where the streams end");
        }
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            () = tokio::time::sleep(LOOK_PAUSE) => {}
        }
    }
}

/// The partitions that have a stream.
pub(crate) async fn partitions(log: &jetstream::Context) -> anyhow::Result<Vec<Partition>> {
    let names: Vec<String> = log.stream_names().try_collect().await?;
    let mut partitions: Vec<_> = names.iter().filter_map(|name| Partition::of_stream(name)).collect();
    partitions.sort();
    Ok(partitions)
}

async fn look(pool: &PgPool, log: &jetstream::Context) -> anyhow::Result<()> {
    let (mut partition_id, mut stream_sequence) = (vec![], vec![]);
    for partition in partitions(log).await? {
        let stream = log.get_stream(partition.stream()).await?;
        partition_id.push(i32::from(partition.number()));
        stream_sequence.push(as_bigint(stream.cached_info().state.last_sequence));
    }
    // Sorted: several projectors tell the same, and must not wait for each other in a circle.
    sqlx::query!(
        "insert into log_end (partition_id, stream_sequence, observed_at)
         select seen.*, now() from unnest($1::int[], $2::bigint[]) as seen (partition_id, stream_sequence)
         order by partition_id
         on conflict (partition_id)
         do update set stream_sequence = excluded.stream_sequence, observed_at = excluded.observed_at",
        &partition_id,
        &stream_sequence,
    )
    .execute(pool)
    .await?;
    Ok(())
}
