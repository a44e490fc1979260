//! Confirms that what a partition is halted for is still so. The record may be old, or of a fault that was none: before an
//! operator's decision moves a checkpoint past something, the log is asked whether it has it.

use anyhow::{Context as _, bail, ensure};
use contract::Partition;

use super::Resume;
use crate::worker::context::Context;
use event_log::error::{HistoryError, LogError};
use event_log::lookup;
use event_log::position::Position;
use event_log::stream::{Stream, as_stored};

/// Confirms that the partition cannot go on but behind `to`, in every generation that is noted to stand still for that.
/// Answers where it goes on then.
pub(crate) async fn confirm(context: &Context, partition_id: u16, to: u64) -> anyhow::Result<Resume> {
    let partition = Partition::numbered(partition_id).context("--partition is none")?;
    let rows = sqlx::query!(
        "select stream_sequence, stream_created, logged_at, counted_until
         from checkpoint
         where partition_id = $1 and resume_sequence = $2 and halted_reason is not null",
        i32::from(partition_id),
        i64::try_from(to).context("--to is no sequence")?,
    );
    for row in rows.fetch_all(&context.pool).await? {
        let position = Position {
            sequence: row.stream_sequence.try_into().context("a checkpoint")?,
            stream_created: row.stream_created,
            logged_at: row.logged_at,
            counted_until: row.counted_until,
        };
        let stream = Stream::find(&context.jetstream, partition).await?;
        let found = stream.first_behind(position, &mut stream.amendments()).await;
        check(partition, position, found.map(|_| ()), to)?;
    }
    let stored = if to == 0 { None } else { lookup::at(&context.jetstream, &partition.stream(), to).await? };
    Ok(Resume { sequence: to, logged_at: stored.map(|stored| as_stored(stored.logged_at)) })
}

fn check(partition: Partition, position: Position, found: Result<(), LogError>, to: u64) -> anyhow::Result<()> {
    let expected = position.sequence + 1;
    match found {
        Ok(()) => bail!(
            "nothing was acknowledged: sequence {expected} of partition {partition} is still in the log, or nothing is \
             missing before it. The partition goes on by itself while a projector runs"
        ),
        // What else lies in the range would be passed with it.
        Err(LogError::History(fault @ HistoryError::Gap { .. })) if fault.resume_at() < to => bail!(
            "nothing was acknowledged: sequence {} of partition {partition} is still in the log, only those from {expected} \
             on before it are gone. See `projector status` once the projector has looked again",
            fault.resume_at() + 1
        ),
        Err(LogError::History(fault)) => {
            ensure!(
                fault.resume_at() == to,
                "nothing was acknowledged: partition {partition} would not go on at {to} any more. The log says: {fault}"
            );
            Ok(())
        }
        Err(err) => Err(anyhow::Error::new(err).context("asking the log whether it has what is to be acknowledged")),
    }
}
