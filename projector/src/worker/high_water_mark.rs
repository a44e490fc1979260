//! High-water marks: where each stream ends. Partitions measure their lag by them, and the database tells them to query
//! and operators, who do not reach the log.

use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::watch::{Receiver, Sender};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::generations::Generations;
use crate::metrics;
use crate::read_models::bigint::as_bigint;
use event_log::connect::Log;
use event_log::streams::StreamEnd;

/// Interval of looks. Readers take what is older than a few of these for stale.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// Where all streams ended in one look, and when that began.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    began: Instant,
    ends: Vec<StreamEnd>,
}

/// Looks again and again until `shutdown`. A log that is away is waited for: what is known grows old.
pub(crate) async fn poll(
    log: Log,
    generations: Generations,
    last: Sender<Option<Look>>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    loop {
        let looked_at = Instant::now();
        match shutdown.run_until_cancelled(StreamEnd::of_all(&log)).await {
            None => return Ok(()),
            Some(Ok(seen)) => {
                for end in &seen {
                    metrics::log_bytes(end.partition, end.bytes, end.bytes_max);
                }
                generations.seen(&seen, looked_at);
                last.send_replace(Some(Look { began: looked_at, ends: seen }));
            }
            Some(Err(err)) => tracing::debug!(error = format!("{err:#}"), "Cannot see where the streams end"),
        }
        if shutdown.run_until_cancelled(tokio::time::sleep(LOOK_PAUSE)).await.is_none() {
            return Ok(());
        }
    }
}

/// Tells the database of each look, until `shutdown`. One that is away hears of the latest when it is back.
pub(crate) async fn report(
    pool: PgPool,
    mut last: Receiver<Option<Look>>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    while let Some(Ok(())) = shutdown.run_until_cancelled(last.changed()).await {
        let Some(look) = last.borrow_and_update().clone() else { continue };
        if let Err(err) = store(&pool, &look).await {
            tracing::debug!(error = %err, "Cannot tell where the streams end");
        }
    }
    // It looks no more, or was asked to stop: either way the whole process is about to.
    shutdown.cancelled().await;
    Ok(())
}

async fn store(pool: &PgPool, look: &Look) -> sqlx::Result<()> {
    let Look { began, ends } = look;
    let mut db = pool.acquire().await?;
    // As old as the look was when there was a connection: query rules out what a look did not see that began later.
    let age_s = began.elapsed().as_secs_f64();
    let partition_id: Vec<i32> = ends.iter().map(|end| i32::from(end.partition.number())).collect();
    let stream_sequence: Vec<i64> = ends.iter().map(|end| as_bigint(end.sequence)).collect();
    // Sorted: several projectors tell the same, and must not wait for each other in a circle.
    sqlx::query!(
        "insert into log_end (partition_id, stream_sequence, observed_at)
         select seen.*, now() - make_interval(secs => $3) from unnest($1::int[], $2::bigint[]) as seen (partition_id, stream_sequence)
         order by partition_id
         on conflict (partition_id)
         do update set stream_sequence = excluded.stream_sequence, observed_at = excluded.observed_at",
        &partition_id,
        &stream_sequence,
        age_s,
    )
    .execute(&mut *db)
    .await?;
    Ok(())
}
