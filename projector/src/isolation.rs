//! Finding the event that Postgres refuses. A batch is one transaction: one row that cannot be stored takes all others with
//! it, and tried again as it is, it would stop its partition for ever.
//!
//! Envelopes: what was refused is read again from the checkpoint, half as far. Where that is committed, the event lies in the
//! other half. So its envelope is found after as many tries as their number has bits.
//! Lines: each line of that envelope is added by itself, behind a savepoint. Those that are refused are parked with what
//! Postgres says, and nothing is remembered of their ids; the others count. `projector parked retry` counts them once the
//! reason is gone, and a rebuild counts them by itself.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::{Connection, PgConnection, PgPool};
use tokio::time::timeout;

use crate::checkpoint::{self, Checkpoint, Slice};
use crate::commit::{Batch, CommitError};
use crate::commit_error::is_refusal;
use crate::deltas::{Deltas, Fold, LineDeltas, Parked};
use crate::instruments;
use crate::models::{self, Capped, Known};
use crate::recent;
use crate::repeats::RecentIds;
use crate::source::{Entry, as_stored};

/// For one envelope, line by line: 1,000 lines of ten round trips of 30 ms each take 300 s.
const ISOLATION_TIMEOUT: Duration = Duration::from_mins(5);

/// Envelopes of a batch, from which on it is as wide as any other. Behind an event that was refused, batches begin with
/// one envelope and double: where many are refused, each costs few tries.
const WIDTH_MAX: u64 = 1 << 16;

/// Characters of what Postgres says that are kept with an event.
const REASON_CHARS_MAX: usize = 500;

/// How far a partition may be read at once, with regard to what was refused. Outlives faults of its owner.
#[derive(Debug, Default)]
pub(crate) struct Isolation(Mutex<Bounds>);

#[derive(Debug, Default, Clone, Copy)]
struct Bounds {
    /// What is refused lies behind the checkpoint, and not behind this sequence.
    suspect: Option<u64>,
    /// Envelopes of one batch.
    width: Option<u64>,
}

impl Isolation {
    /// How far to read from a checkpoint, where `until` is as far as it may be read at all.
    pub(crate) fn until(&self, from: u64, until: u64) -> u64 {
        let bounds = *self.lock();
        let half = bounds.suspect.filter(|last| *last > from).map(|last| from + ((last - from) / 2).max(1));
        let width = bounds.width.map(|width| from.saturating_add(width));
        [half, width].into_iter().flatten().fold(until, u64::min)
    }

    /// Whether the envelope behind a checkpoint is the one that is refused.
    pub(crate) fn is_found(&self, from: u64) -> bool {
        self.lock().suspect == Some(from + 1)
    }

    /// Notes that a batch was refused that ends at a sequence.
    pub(crate) fn refused(&self, last_sequence: u64) {
        *self.lock() = Bounds { suspect: Some(last_sequence), width: None };
    }

    /// Notes that a batch was committed that ends at a sequence.
    pub(crate) fn committed(&self, last_sequence: u64) {
        let mut bounds = self.lock();
        bounds.suspect = bounds.suspect.filter(|suspect| *suspect > last_sequence);
        bounds.width = bounds.width.map(|width| width * 2).filter(|width| *width < WIDTH_MAX);
    }

    /// Notes that what was refused is parked.
    pub(crate) fn parked(&self) {
        *self.lock() = Bounds { suspect: None, width: Some(1) };
    }

    fn lock(&self) -> MutexGuard<'_, Bounds> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of an envelope that was added line by line.
#[derive(Debug)]
pub(crate) struct Isolated {
    /// Where the checkpoint stands now.
    pub(crate) checkpoint: Checkpoint,
    /// What was counted and what was parked.
    pub(crate) batch: Batch,
}

/// Adds one envelope to the read models, without the lines that Postgres refuses, and moves the checkpoint. `recent` is of
/// no use any more.
///
/// # Errors
///
/// See [`CommitError`].
pub(crate) async fn commit_by_lines(
    pool: &PgPool,
    (slice, from): (Slice, Checkpoint),
    (fold, recent): (&Fold, &mut RecentIds),
    entry: &Entry,
) -> Result<Isolated, CommitError> {
    let mut all = fold.begin();
    let lines = if entry.is_erased {
        fold.pass(recent, &mut all, entry.message());
        Vec::new()
    } else {
        fold.by_lines(recent, &mut all, entry.message())
    };
    // Each line is one event, whatever becomes of it.
    all.events = lines.len() as u64;
    let batch = Batch {
        deltas: all,
        last_sequence: entry.sequence,
        last_logged_at: Some(as_stored(entry.logged_at)),
        envelopes: 1,
        pending: entry.pending,
    };
    let added = timeout(ISOLATION_TIMEOUT, try_commit(pool, (slice, from), batch, lines));
    added.await.map_err(|_| CommitError::Timeout)?
}

async fn try_commit(
    pool: &PgPool,
    (slice, from): (Slice, Checkpoint),
    mut batch: Batch,
    lines: Vec<LineDeltas>,
) -> Result<Isolated, CommitError> {
    let mut db = pool.acquire().await?;
    let mut tx = db.begin_with(models::BEGIN).await?;
    let advance = batch.advance(from);
    let checkpoint = checkpoint::advance(&mut tx, slice, advance).await??;
    // What is checked at the end of a transaction otherwise could not be told from which line it comes.
    sqlx::raw_sql("set constraints all immediate").execute(&mut *tx).await?;
    batch.deltas.events = 0;
    let (mut known, mut capped, mut refused) = (Known::default(), Capped::default(), Vec::new());
    for line in lines {
        match add(&mut tx, (slice, &mut known), &line.deltas).await {
            Ok(of_line) => {
                capped += of_line;
                batch.deltas.take_line(line.deltas);
            }
            Err(CommitError::Database(err)) if is_refusal(&err) => {
                // It knows what was rolled back.
                known = Known::default();
                refused.push(kept(line.refused, &err));
            }
            Err(err) => return Err(err),
        }
    }
    models::park(&mut tx, slice, &refused).await.map_err(unkept)?;
    batch.deltas.parked.extend(refused);
    recent::add(&mut tx, slice, advance, &batch.deltas.seen).await.map_err(unkept)?;
    tx.commit().await?;
    instruments::capped(slice.labels(), capped.by_kind());
    Ok(Isolated { checkpoint, batch })
}

/// Adds a line, or nothing of it: then `known` is of no use any more.
async fn add(db: &mut PgConnection, (slice, known): (Slice, &mut Known), line: &Deltas) -> Result<Capped, CommitError> {
    let mut savepoint = db.begin().await?;
    match models::add(&mut savepoint, slice, false, known, line).await {
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

    /// Follows a partition of so many envelopes, of which some are refused; answers what was parked, and after how many
    /// tries.
    fn follow(envelopes: u64, refused: &[u64]) -> (Vec<u64>, u64) {
        let isolation = Isolation::default();
        let (mut checkpoint, mut parked, mut tries) = (0, Vec::new(), 0);
        while checkpoint < envelopes {
            tries += 1;
            assert!(tries < 10_000, "it does not get on at {checkpoint}");
            if isolation.is_found(checkpoint) {
                checkpoint += 1;
                if refused.contains(&checkpoint) {
                    parked.push(checkpoint);
                }
                isolation.parked();
                continue;
            }
            let last = isolation.until(checkpoint, envelopes);
            if refused.iter().any(|sequence| (checkpoint + 1..=last).contains(sequence)) {
                isolation.refused(last);
            } else {
                isolation.committed(last);
                checkpoint = last;
            }
        }
        (parked, tries)
    }

    #[test]
    fn what_is_refused_is_found_and_nothing_else_is_parked() {
        for refused in [&[1][..], &[1_000], &[500, 501], &[1, 2, 3, 999], &[333, 666]] {
            let (parked, tries) = follow(1_000, refused);
            assert_eq!(parked, refused);
            assert!(tries <= 30 * refused.len() as u64, "{tries} tries for {refused:?}");
        }
    }

    #[test]
    fn where_everything_is_refused_each_envelope_costs_few_tries() {
        let all: Vec<_> = (1..=100).collect();
        let (parked, tries) = follow(100, &all);
        assert_eq!(parked, all);
        assert!(tries <= 220, "{tries}");
    }

    #[test]
    fn what_was_refused_for_a_while_only_does_not_hold_anything_up() {
        let isolation = Isolation::default();
        isolation.refused(8);
        assert_eq!(isolation.until(0, 100), 4);
        isolation.committed(4);
        assert_eq!(isolation.until(4, 100), 6);
        isolation.committed(8);
        assert_eq!(isolation.until(8, 100), 100);
    }

    #[test]
    fn what_is_kept_of_a_reason_can_be_stored_anywhere() {
        assert_eq!(storable("a\0b \u{e9}\n"), "a\\u{0}b \\u{e9}\\n");
    }
}
