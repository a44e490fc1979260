//! Events that could not be read: shown, tried again after a fix, or given up.

use anyhow::{Context, ensure};
use chrono::{DateTime, Utc};
use contract::Partition;
use sqlx::{Connection, PgConnection, PgPool};

use crate::checkpoint::Slice;
use crate::deltas::{Deltas, Fold, Message};
use crate::generation::GenerationId;
use crate::models;
use crate::repeats::{RecentIds, WindowSeconds};

/// Rows of one listing.
const LISTED_MAX: i64 = 1_000;

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

/// One parked event.
struct Row {
    slice: Slice,
    sequence: i64,
    line: i32,
    reason: String,
    schema: Option<String>,
    logged_at: DateTime<Utc>,
    event: Vec<u8>,
}

/// Prints place, time and reason of parked events, the oldest first.
///
/// # Errors
///
/// The database is away.
pub async fn list(pool: &PgPool, selection: Selection) -> anyhow::Result<()> {
    let mut db = pool.acquire().await?;
    for row in select(&mut db, selection).await? {
        println!("{} logged at {}: {}", row.place(), row.logged_at.format("%Y-%m-%d %H:%M:%S UTC"), row.reason);
    }
    Ok(())
}

/// Prints parked events with their content.
///
/// # Errors
///
/// The database is away.
pub async fn show(pool: &PgPool, selection: Selection) -> anyhow::Result<()> {
    let mut db = pool.acquire().await?;
    for row in select(&mut db, selection).await? {
        println!("{}: {}", row.place(), row.reason);
        println!("{}", String::from_utf8_lossy(&row.event).escape_debug());
    }
    Ok(())
}

/// Gives parked events up: they stay in the table, but nobody is told of them any more.
///
/// # Errors
///
/// The database is away.
pub async fn discard(pool: &PgPool, selection: Selection, by: &str) -> anyhow::Result<()> {
    ensure!(!by.trim().is_empty(), "--by must say who decides this");
    let mut db = pool.acquire().await?;
    let rows = select(&mut db, selection).await?;
    for row in &rows {
        row.decide(&mut db, "discarded", by).await?;
    }
    println!("Discarded {} parked events.", rows.len());
    Ok(())
}

/// Folds parked events again, each in a transaction of its own: those that can be read now count, once.
///
/// # Errors
///
/// The database is away.
pub async fn retry(
    pool: &PgPool,
    fold: &Fold,
    window: WindowSeconds,
    selection: Selection,
    by: &str,
) -> anyhow::Result<()> {
    ensure!(!by.trim().is_empty(), "--by must say who decides this");
    let mut db = pool.acquire().await?;
    let (mut counted, mut still_parked) = (0, 0);
    for row in select(&mut db, selection).await? {
        let deltas = row.fold(fold, window);
        if deltas.events == 0 {
            still_parked += 1;
            continue;
        }
        counted += deltas.events;
        row.count(&mut db, &deltas, by).await.with_context(|| format!("counting {}", row.place()))?;
    }
    println!("Counted {counted} events; {still_parked} parked events still cannot be read.");
    Ok(())
}

async fn select(db: &mut PgConnection, selection: Selection) -> anyhow::Result<Vec<Row>> {
    let sequence = selection.sequence.map(i64::try_from).transpose().context("--sequence is none")?;
    let rows = sqlx::query!(
        "select generation_id, partition_id, stream_sequence, line, reason, schema, logged_at, event
         from parked_event
         where state = 'parked'
           and ($1::int is null or partition_id = $1)
           and ($2::bigint is null or stream_sequence = $2)
           and ($3::int is null or line = $3)
         order by logged_at, generation_id, partition_id, stream_sequence, line
         limit $4",
        selection.partition.map(i32::from),
        sequence,
        selection.line,
        LISTED_MAX,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let partition =
                u16::try_from(row.partition_id).ok().and_then(Partition::numbered).context("a partition")?;
            Ok(Row {
                slice: Slice { generation: GenerationId(row.generation_id), partition },
                sequence: row.stream_sequence,
                line: row.line,
                reason: row.reason,
                schema: row.schema,
                logged_at: row.logged_at,
                event: row.event,
            })
        })
        .collect()
}

impl Row {
    fn place(&self) -> String {
        let line = if self.line < 0 { "the whole envelope".to_owned() } else { format!("line {}", self.line) };
        let Self { slice, sequence, .. } = self;
        format!("generation {} partition {} sequence {sequence} {line}", slice.generation.0, slice.partition)
    }

    /// What it adds now. Ids are not looked up: its time in the log is past, and it was never counted.
    fn fold(&self, fold: &Fold, window: WindowSeconds) -> Deltas {
        let mut deltas = fold.begin();
        let sequence = u64::try_from(self.sequence).unwrap_or(0);
        let message =
            Message { sequence, logged_at: self.logged_at, schema: self.schema.as_deref(), body: &self.event };
        fold.add(&mut RecentIds::new(window, 0), &mut deltas, message);
        deltas
    }

    async fn count(&self, db: &mut PgConnection, deltas: &Deltas, by: &str) -> anyhow::Result<()> {
        let mut tx = db.begin().await?;
        // Keeps the partition's owner from committing meanwhile: both read and write the same sketches.
        sqlx::query!(
            "select stream_sequence from checkpoint where generation_id = $1 and partition_id = $2 for update",
            self.slice.generation.0,
            self.slice.partition_id(),
        )
        .fetch_optional(&mut *tx)
        .await?;
        let key = sqlx::query_scalar!(
            "select sketch_key_id from generation where generation_id = $1",
            self.slice.generation.0,
        )
        .fetch_one(&mut *tx)
        .await?;
        ensure!(key == i64::from(deltas.key_id().0), "the generation was built with another SKETCH_KEY");
        self.decide(&mut tx, "counted", by).await?;
        models::add(&mut tx, self.slice, deltas).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Takes it out of the parked ones, unless somebody else just did.
    async fn decide(&self, db: &mut PgConnection, state: &str, by: &str) -> anyhow::Result<()> {
        let decided = sqlx::query!(
            "update parked_event
             set state = $5, decided_by = $6, decided_at = now()
             where generation_id = $1 and partition_id = $2 and stream_sequence = $3 and line = $4 and state = 'parked'",
            self.slice.generation.0,
            self.slice.partition_id(),
            self.sequence,
            self.line,
            state,
            by,
        )
        .execute(db)
        .await?;
        ensure!(decided.rows_affected() == 1, "somebody else has dealt with {}", self.place());
        Ok(())
    }
}
