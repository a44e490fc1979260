//! One envelope, committed line by line, because Postgres refuses one of its events.
//!
//! Each line is added by itself, behind a savepoint. Lines that are refused are parked with what Postgres says, and
//! nothing is remembered of their ids; the others count. `projector parked retry` counts them once the reason is gone, and
//! a rebuild counts them by itself.

use std::time::Duration;

use fold::{Deltas, LineDeltas, Parked};
use sqlx::error::DatabaseError;
use sqlx::{Connection, PgConnection, PgPool};
use tokio::time::timeout;

use super::checkpoint::{self, Checkpoint};
use super::commit::Batch;
use super::dedup_store;
use super::error::CommitError;
use super::error::is_refusal;
use super::slice::Slice;
use super::write::{self, Capped, SliceWriter, WriteMode};
use crate::metrics;

/// Time for one envelope: 1,000 lines of ten round trips of 30 ms each take 300 s.
const LINES_TIMEOUT: Duration = Duration::from_mins(5);

/// Characters of what Postgres says that are kept with an event.
const REASON_CHARS_MAX: usize = 500;

/// What became of an envelope that was added line by line.
#[derive(Debug)]
pub(crate) struct Isolated {
    /// Where the checkpoint stands now.
    pub(crate) checkpoint: Checkpoint,
    /// What was counted and what was parked.
    pub(crate) batch: Batch,
}

/// An envelope whose lines are committed one by one.
#[derive(Debug)]
pub(crate) struct EnvelopeLines {
    /// The envelope as a batch: without what its lines add, with what it does to log time.
    pub(crate) batch: Batch,
    /// What each line adds.
    pub(crate) lines: Vec<LineDeltas>,
}

/// Adds one envelope to the read models, without the lines that Postgres refuses, and moves the checkpoint. The ids that
/// its partition remembers have to be loaded again.
pub(crate) async fn commit_lines(
    pool: &PgPool,
    slice: Slice,
    from: Checkpoint,
    envelope: EnvelopeLines,
) -> Result<Isolated, CommitError> {
    let added = timeout(LINES_TIMEOUT, try_commit(pool, slice, from, envelope));
    added.await.map_err(|_| CommitError::Timeout)?
}

async fn try_commit(
    pool: &PgPool,
    slice: Slice,
    from: Checkpoint,
    EnvelopeLines { mut batch, lines }: EnvelopeLines,
) -> Result<Isolated, CommitError> {
    let mut db = pool.acquire().await?;
    let mut tx = db.begin_with(write::BEGIN).await?;
    let advance = batch.advance(from);
    let checkpoint = checkpoint::advance(&mut tx, slice, &advance).await??;
    // What is checked at the end of a transaction otherwise could not be told from which line it comes.
    sqlx::raw_sql("set constraints all immediate").execute(&mut *tx).await?;
    batch.deltas.events = 0;
    let (mut writer, mut capped, mut refused) = (SliceWriter::new(slice), Capped::default(), Vec::new());
    for line in lines {
        match add(&mut tx, &mut writer, &line.deltas).await {
            Ok(of_line) => {
                capped += of_line;
                batch.deltas.take_line(line.deltas);
            }
            Err(CommitError::Database(err)) if is_refusal(&err) => {
                writer.forget();
                refused.push(kept(line.refused, &err));
            }
            Err(err) => return Err(err),
        }
    }
    write::park(&mut tx, slice, &refused).await.map_err(unkept)?;
    batch.deltas.parked.extend(refused);
    dedup_store::add(&mut tx, slice, &advance, &batch.deltas.seen).await.map_err(unkept)?;
    tx.commit().await?;
    metrics::capped(slice.labels(), capped.by_kind());
    Ok(Isolated { checkpoint, batch })
}

/// Adds a line, or nothing of it: then the writer has to forget.
async fn add(db: &mut PgConnection, writer: &mut SliceWriter, line: &Deltas) -> Result<Capped, CommitError> {
    let mut savepoint = db.begin().await?;
    match writer.add(&mut savepoint, WriteMode::Upsert, line).await {
        Ok(capped) => {
            savepoint.commit().await?;
            Ok(capped)
        }
        Err(err) => {
            savepoint.rollback().await?;
            Err(err)
        }
    }
}

/// A line as it is parked, with the reason, in characters that every database can store.
fn kept(refused: Parked, err: &sqlx::Error) -> Parked {
    let database = err.as_database_error();
    let code = database.and_then(DatabaseError::code).unwrap_or_default();
    let message = storable(database.map_or("", DatabaseError::message));
    let reason = format!("Postgres refuses to store it ({code}): {message}");
    Parked { reason, schema: refused.schema.as_deref().map(storable), ..refused }
}

fn storable(text: &str) -> String {
    let shown = text.chars().take(REASON_CHARS_MAX);
    shown
        .flat_map(|char| if (' '..='~').contains(&char) { vec![char] } else { char.escape_default().collect() })
        .collect()
}

/// What is refused although it is in no line. Going on without it would count repeats, or lose events in silence.
fn unkept(err: sqlx::Error) -> CommitError {
    if is_refusal(&err) { CommitError::Unkept(err) } else { CommitError::Database(err) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_reason_can_be_stored_anywhere() {
        assert_eq!(storable("a\0b \u{e9}\n"), "a\\u{0}b \\u{e9}\\n");
    }
}
