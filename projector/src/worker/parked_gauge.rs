//! Parked events that wait for an operator's decision, counted now and then for a gauge.

use std::time::Duration;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::metrics::{self, Labels};

/// Interval of counts. A parked event waits for a person anyway.
const COUNT_PAUSE: Duration = Duration::from_secs(5);

/// Maximum of a partition's events that are counted: about 2 ms of Postgres, however many there are.
const COUNTED_MAX: i64 = 10_000;

/// Counts again and again until `shutdown`. What cannot be counted is not shown.
pub(crate) async fn poll(pool: PgPool, shutdown: CancellationToken) -> anyhow::Result<()> {
    loop {
        match shutdown.run_until_cancelled(count(&pool)).await {
            None => return Ok(()),
            Some(Ok(())) => {}
            Some(Err(err)) => tracing::debug!(error = %err, "Cannot count parked events"),
        }
        if shutdown.run_until_cancelled(tokio::time::sleep(COUNT_PAUSE)).await.is_none() {
            return Ok(());
        }
    }
}

async fn count(pool: &PgPool) -> sqlx::Result<()> {
    let rows = sqlx::query!(
        r#"select generation_id, partition_id,
                (select count(*)
                 from (select
                       from parked_event
                       where parked_event.generation_id = checkpoint.generation_id
                         and parked_event.partition_id = checkpoint.partition_id and state = 'parked'
                       limit $1) as first) as "parked!"
         from checkpoint
         join generation using (generation_id)
         where status in ('building', 'ready', 'active')"#,
        COUNTED_MAX,
    );
    for row in rows.fetch_all(pool).await? {
        metrics::parked(&Labels::new(row.generation_id, row.partition_id), row.parked);
    }
    Ok(())
}
