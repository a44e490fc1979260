//! Parked events, a page at a time, from the oldest to the newest.

use anyhow::Context as _;
use contract::Partition;
use sqlx::PgPool;

use super::{Row, Selection};
use crate::read_models::generation::GenerationId;
use crate::read_models::slice::Slice;

/// Rows of a page. An envelope of 256 KiB that cannot be read as a whole is one of them: 50 MiB at most.
const PAGE_ROWS: i64 = 200;

/// Where the next page begins.
pub(super) struct Pages {
    selection: Selection,
    /// The last row of the page before, as `(logged_at, generation, partition, superseded_by, sequence, line)`.
    last: Option<Key>,
}

/// What the rows are in the order of.
#[derive(Clone)]
struct Key {
    logged_at: chrono::DateTime<chrono::Utc>,
    generation_id: i32,
    partition_id: i32,
    superseded_by: i64,
    sequence: i64,
    line: i32,
}

impl Pages {
    pub(super) fn of(selection: Selection) -> Self {
        Self { selection, last: None }
    }

    /// The next page; none behind the last one.
    ///
    /// # Errors
    ///
    /// The database is unavailable, or `--sequence` is beyond all sequences.
    pub(super) async fn next(&mut self, pool: &PgPool) -> anyhow::Result<Option<Vec<Row>>> {
        let selection = self.selection;
        let sequence = selection.sequence.map(i64::try_from).transpose().context("--sequence is none")?;
        let last = self.last.take();
        let rows = sqlx::query!(
            "select generation_id, partition_id, stream_created, superseded_by, stream_sequence, line, reason, schema,
                    logged_at, log_slot, event
             from parked_event
             where state = 'parked'
               and ($1::int is null or partition_id = $1)
               and ($2::bigint is null or stream_sequence = $2)
               and ($3::int is null or line = $3)
               and ($5::timestamptz is null
                    or (logged_at, generation_id, partition_id, superseded_by, stream_sequence, line)
                       > ($5, $6::int, $7::int, $8::bigint, $9::bigint, $10::int))
             order by logged_at, generation_id, partition_id, superseded_by, stream_sequence, line
             limit $4",
            selection.partition.map(i32::from),
            sequence,
            selection.line,
            PAGE_ROWS,
            last.as_ref().map(|last| last.logged_at),
            last.as_ref().map(|last| last.generation_id),
            last.as_ref().map(|last| last.partition_id),
            last.as_ref().map(|last| last.superseded_by),
            last.as_ref().map(|last| last.sequence),
            last.as_ref().map(|last| last.line),
        )
        .fetch_all(pool)
        .await?;
        self.last = rows.last().map(|row| Key {
            logged_at: row.logged_at,
            generation_id: row.generation_id,
            partition_id: row.partition_id,
            superseded_by: row.superseded_by,
            sequence: row.stream_sequence,
            line: row.line,
        });
        let rows = rows.into_iter().map(|row| {
            let partition =
                u16::try_from(row.partition_id).ok().and_then(Partition::numbered).context("a partition")?;
            Ok(Row {
                slice: Slice { generation: GenerationId(row.generation_id), partition },
                stream_created: row.stream_created,
                superseded_by: row.superseded_by,
                sequence: row.stream_sequence,
                line: row.line,
                reason: row.reason,
                schema: row.schema,
                logged_at: row.logged_at,
                log_slot: row.log_slot,
                event: row.event,
            })
        });
        let page = rows.collect::<anyhow::Result<Vec<_>>>()?;
        Ok((!page.is_empty()).then_some(page))
    }
}
