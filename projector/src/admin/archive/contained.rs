//! Whether every generation contains what is to leave the log: this log's envelopes, not those of another history.

use anyhow::{Context as _, bail};
use contract::Partition;
use sqlx::PgConnection;

use event_log::connect::Log;
use event_log::error::{HistoryError, LogError};
use event_log::position::Position;
use event_log::stream::Stream;

/// Checks that no generation needs a partition's envelopes up to a sequence any more: each has read beyond it, and the
/// stream continues what it has read.
///
/// # Errors
///
/// One of them is behind or was folded from another history, or the log or the database is unavailable.
pub(super) async fn check(db: &mut PgConnection, log: &Log, partition: Partition, last: u64) -> anyhow::Result<()> {
    let generations = sqlx::query!(
        r#"select generation.generation_id, status, stream_sequence as "stream_sequence?",
                  stream_created as "stream_created?", logged_at, counted_until
         from generation
         left join checkpoint on checkpoint.generation_id = generation.generation_id and partition_id = $1
         order by status = 'active' desc, generation_id"#,
        i32::from(partition.number()),
    )
    .fetch_all(db)
    .await?;
    let stream = Stream::find(log, partition).await?;
    for row in generations {
        let (id, status) = (row.generation_id, row.status);
        let sequence = u64::try_from(row.stream_sequence.unwrap_or(0)).context("a checkpoint")?;
        if sequence < last {
            bail!(
                "generation {id}, which is {status}, contains partition {partition} only up to sequence {sequence}, and needs \
                 what is behind: wait for it, or drop it with `projector drop {id}` if it is retired"
            );
        }
        let position = Position {
            sequence,
            stream_created: row.stream_created.unwrap_or(stream.created),
            logged_at: row.logged_at,
            counted_until: row.counted_until,
        };
        match stream.first_behind(position, &mut stream.amendments()).await {
            // What is missing behind the checkpoint does not leave now.
            Ok(_) | Err(LogError::History(HistoryError::Gap { .. })) => {}
            Err(LogError::History(fault)) => bail!(
                "generation {id}, which is {status}, does not contain what the log of partition {partition} has: {fault}. Do \
                 first what `projector status` says, or drop the generation with `projector drop {id}` if it is retired"
            ),
            Err(fault) => return Err(fault).context("comparing the log with what was counted"),
        }
    }
    Ok(())
}
