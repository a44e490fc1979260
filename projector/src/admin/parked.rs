//! Events that could not be read: shown, tried again after a fix, or given up.

/// The fold of a generation.
mod generation_fold;

/// Parked events, a page at a time.
mod pages;

/// What became of them.
mod retried;

use std::collections::BTreeMap;
use std::mem;

use anyhow::{Context as _, ensure};
use chrono::{DateTime, Utc};
use contract::SketchKey;
use fold::{Deltas, LateDedup, Message, Parked, WindowSeconds};
use sqlx::{Connection, PgConnection, PgPool};

use crate::read_models::checkpoint;
use crate::read_models::dedup_store;
use crate::read_models::error::{CommitError, is_refusal};
use crate::read_models::slice::Slice;
use crate::read_models::write::{self, SliceWriter, WriteMode};
use generation_fold::GenerationFold;
use pages::Pages;
use retried::Retried;

/// Which parked events: all, those of a partition, of one envelope, or one line.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct Selection {
    /// Only those of this partition.
    #[arg(long)]
    pub partition: Option<u16>,
    /// Only those of this stream sequence.
    #[arg(long, requires = "partition")]
    pub sequence: Option<u64>,
    /// Only this line; -1 is the whole envelope.
    #[arg(long, requires = "sequence", allow_negative_numbers = true)]
    pub line: Option<i32>,
}

/// Settings that a generation is built with, beside the version of its fold.
#[derive(Debug, Clone, Copy)]
pub struct FoldSettings<'a> {
    /// Secret under which users are counted.
    pub key: &'a SketchKey,
    /// Deduplication window.
    pub window: WindowSeconds,
}

/// One parked event.
struct Row {
    slice: Slice,
    stream_created: Option<DateTime<Utc>>,
    /// The acknowledgement after which the log gave its sequence again; 0: none.
    superseded_by: i64,
    sequence: i64,
    line: i32,
    reason: String,
    schema: Option<String>,
    logged_at: DateTime<Utc>,
    log_slot: Option<i64>,
    event: Vec<u8>,
}

/// Prints place, time and reason of parked events, the oldest first.
///
/// # Errors
///
/// The database is unavailable.
pub async fn list(pool: &PgPool, selection: Selection) -> anyhow::Result<()> {
    let mut pages = Pages::of(selection);
    while let Some(rows) = pages.next(pool).await? {
        for row in rows {
            println!("{} logged at {}: {}", row.place(), row.logged_at.format("%Y-%m-%d %H:%M:%S UTC"), row.reason);
        }
    }
    Ok(())
}

/// Prints parked events with their content.
///
/// # Errors
///
/// The database is unavailable.
pub async fn show(pool: &PgPool, selection: Selection) -> anyhow::Result<()> {
    let mut pages = Pages::of(selection);
    while let Some(rows) = pages.next(pool).await? {
        for row in rows {
            println!("{}: {}", row.place(), row.reason);
            println!("{}", String::from_utf8_lossy(&row.event).escape_debug());
        }
    }
    Ok(())
}

/// Gives parked events up: they stay in the table, but are no longer reported.
///
/// # Errors
///
/// The database is unavailable.
pub async fn discard(pool: &PgPool, selection: Selection, by: &str) -> anyhow::Result<()> {
    ensure!(!by.trim().is_empty(), "--by must say who decides this");
    let mut pages = Pages::of(selection);
    let mut discarded = 0;
    while let Some(rows) = pages.next(pool).await? {
        let mut tx = pool.begin().await?;
        for row in &rows {
            row.decide(&mut tx, "discarded", by).await?;
        }
        tx.commit().await?;
        discarded += rows.len();
    }
    println!("Discarded {discarded} parked events.");
    Ok(())
}

/// Folds parked events again, up to 200 in one transaction: those that can be read now count, once. Those of generations
/// that were built with another key, window or fold stay as they are, which is told: one that is kept for a rollback is
/// no reason to leave the active one without its events.
///
/// # Errors
///
/// The database is unavailable.
pub async fn retry(pool: &PgPool, settings: FoldSettings<'_>, selection: Selection, by: &str) -> anyhow::Result<()> {
    ensure!(!by.trim().is_empty(), "--by must say who decides this");
    let mut pages = Pages::of(selection);
    let mut sum = Retried::default();
    while let Some(page) = pages.next(pool).await? {
        let mut slices = BTreeMap::<_, Vec<Row>>::new();
        for row in page {
            slices.entry((row.slice.generation, row.slice.partition)).or_default().push(row);
        }
        let mut db = pool.acquire().await?;
        for ((generation, _), rows) in &slices {
            let fold = match generation_fold::of(&mut db, *generation, settings).await? {
                Ok(fold) => fold,
                Err(reason) => {
                    sum.leave(*generation, rows.len(), reason);
                    continue;
                }
            };
            let retried = retry_slice(&mut db, &fold, rows, by).await;
            sum.add(&retried.with_context(|| format!("retrying {} and what follows it", rows[0].place()))?);
        }
    }
    println!("{sum}");
    Ok(())
}

async fn retry_slice(
    db: &mut PgConnection,
    generation_fold: &GenerationFold,
    rows: &[Row],
    by: &str,
) -> anyhow::Result<Retried> {
    let slice = rows[0].slice;
    let mut tx = db.begin_with(write::BEGIN).await?;
    let checkpoint = checkpoint::fence(&mut tx, slice).await?;
    let GenerationFold { fold, window } = generation_fold;
    let digests = rows.iter().flat_map(|row| fold.digests(row.message()));
    let unknown = LateDedup::new(*window, checkpoint.dedup, digests);
    let mut ids = dedup_store::recall(&mut tx, slice, unknown.clone()).await?;
    let mut retried = Retried::default();
    for row in rows {
        let mut deltas = fold.begin();
        // In the slot that it came in.
        ids.enter(row.log_slot.map_or_else(|| ids.slot_of(row.logged_at), i64::unsigned_abs));
        fold.add_late(&mut ids, &mut deltas, row.message());
        if (deltas.events, deltas.repeats()) == (0, 0) {
            retried.still_parked += 1;
        } else if row.count(&mut tx, &mut deltas, by).await? {
            retried.counted += deltas.events;
            retried.repeats += deltas.repeats();
        } else {
            retried.still_parked += 1;
            // Without what was noted of its ids.
            ids = dedup_store::recall(&mut tx, slice, unknown.clone()).await?;
        }
    }
    tx.commit().await?;
    Ok(retried)
}

impl Row {
    fn place(&self) -> String {
        let line = if self.line < 0 { "the whole envelope".to_owned() } else { format!("line {}", self.line) };
        let Self { slice, sequence, .. } = self;
        let place =
            format!("generation {} partition {} sequence {sequence} {line}", slice.generation.0, slice.partition);
        if self.superseded_by == 0 {
            return place;
        }
        let created = self.stream_created.map_or_else(String::new, |created| format!(" made at {created}"));
        format!("{place} of a stream that was acknowledged to be gone{created}")
    }

    /// Adds what it says to the read models; `false` if Postgres refuses that, and then it stays as it was.
    async fn count(&self, db: &mut PgConnection, deltas: &mut Deltas, by: &str) -> anyhow::Result<bool> {
        let mut savepoint = db.begin().await?;
        self.decide(&mut savepoint, "counted", by).await?;
        let lines = mem::take(&mut deltas.parked);
        let added: Result<(), CommitError> = async {
            SliceWriter::new(self.slice).add(&mut savepoint, WriteMode::Upsert, deltas).await?;
            self.keep_lines(&mut savepoint, &lines).await?;
            Ok(dedup_store::add_late(&mut savepoint, self.slice, self.remembered_at(), &deltas.seen).await?)
        }
        .await;
        match added {
            Ok(()) => {
                savepoint.commit().await?;
                Ok(true)
            }
            Err(CommitError::Database(err)) if is_refusal(&err) => {
                savepoint.rollback().await?;
                Ok(false)
            }
            Err(err) => Err(err.into()),
        }
    }

    /// The message that it was, or a line of it: its place and time are the same.
    fn message(&self) -> Message<'_> {
        let sequence = u64::try_from(self.sequence).unwrap_or(0);
        let schema = self.schema.as_deref();
        Message { sequence, logged_at: self.logged_at, sent_at: None, schema, body: &self.event }
    }

    /// The sequence under which its ids are remembered. Ids of a stream that is gone lie before the first of this one.
    fn remembered_at(&self) -> u64 {
        if self.superseded_by == 0 { self.message().sequence } else { 0 }
    }

    /// Parks lines of an envelope that can be read now, but not all of it, in its place.
    async fn keep_lines(&self, db: &mut PgConnection, lines: &[Parked]) -> sqlx::Result<()> {
        sqlx::query!(
            "insert into parked_event (generation_id, partition_id, stream_created, superseded_by, stream_sequence, line,
                                       reason, logged_at, log_slot, schema, event)
             select generation_id, partition_id, stream_created, superseded_by, stream_sequence, lines.line,
                    lines.reason, logged_at, log_slot, schema, lines.event
             from parked_event, unnest($6::int[], $7::text[], $8::bytea[]) as lines (line, reason, event)
             where generation_id = $1 and partition_id = $2 and superseded_by = $3 and stream_sequence = $4
               and parked_event.line = $5",
            self.slice.generation.0,
            self.slice.partition_id(),
            self.superseded_by,
            self.sequence,
            self.line,
            &lines.iter().map(|line| line.line).collect::<Vec<_>>(),
            &lines.iter().map(|line| line.reason.as_str()).collect::<Vec<_>>() as &[&str],
            &lines.iter().map(|line| line.event.as_slice()).collect::<Vec<_>>() as &[&[u8]],
        )
        .execute(db)
        .await?;
        Ok(())
    }

    /// Takes it out of the parked ones, unless another command just did.
    async fn decide(&self, db: &mut PgConnection, state: &str, by: &str) -> anyhow::Result<()> {
        let decided = sqlx::query!(
            "update parked_event
             set state = $6, decided_by = $7, decided_at = now()
             where generation_id = $1 and partition_id = $2 and superseded_by = $3 and stream_sequence = $4 and line = $5
               and state = 'parked'",
            self.slice.generation.0,
            self.slice.partition_id(),
            self.superseded_by,
            self.sequence,
            self.line,
            state,
            by,
        )
        .execute(db)
        .await?;
        ensure!(decided.rows_affected() == 1, "another command has dealt with {}", self.place());
        Ok(())
    }
}
