//! Two generations at one place, and compared there. The active one goes on meanwhile: what is compared is a snapshot of
//! it. The other one is held where the snapshot is.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use sqlx::{Connection, PgConnection, PgExecutor, PgPool};
use tokio::time::{Instant, sleep};

use super::STEP_PAUSE;
use crate::read_models::compare::{self, Comparison, Side, Watcher};
use crate::read_models::generation::{Generation, GenerationId};

/// A partition that is no further behind has caught up. Half a second of a busy partition's envelopes.
const BEHIND_MAX: i64 = 200;

/// Until the built generation has come to where the snapshot is.
const MEETING_MAX: Duration = Duration::from_secs(10);

/// The sequence that each partition is folded to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Positions(pub(crate) BTreeMap<i32, i64>);

impl Positions {
    /// Whether every partition of `other` is folded as far here.
    pub(crate) fn has_reached(&self, other: &Self) -> bool {
        other.0.iter().all(|(partition, sequence)| self.0.get(partition).is_some_and(|ours| ours >= sequence))
    }

    fn is_near(&self, other: &Self) -> bool {
        let near = |(partition, sequence): (&i32, &i64)| {
            self.0.get(partition).is_some_and(|ours| ours + BEHIND_MAX >= *sequence)
        };
        other.0.iter().all(near)
    }
}

impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let positions: Vec<_> = self.0.iter().map(|(partition, sequence)| format!("{partition}:{sequence}")).collect();
        f.write_str(&positions.join(" "))
    }
}

/// Where a generation is.
pub(crate) async fn positions(db: &mut PgConnection, id: GenerationId) -> sqlx::Result<Positions> {
    let rows = sqlx::query!("select partition_id, stream_sequence from checkpoint where generation_id = $1", id.0);
    let rows = rows.fetch_all(db).await?;
    Ok(Positions(rows.into_iter().map(|row| (row.partition_id, row.stream_sequence)).collect()))
}

/// Lets a generation come to these positions and no further; `None`: as far as the active one.
pub(crate) async fn hold(db: impl PgExecutor<'_>, id: GenerationId, at: Option<&Positions>) -> sqlx::Result<()> {
    let (partition_id, sequence): (Vec<i32>, Vec<i64>) = at.into_iter().flat_map(|at| at.0.clone()).unzip();
    sqlx::query!(
        // Only where it changes something: a batch that is being committed has its row, and would be waited for.
        "update checkpoint
         set ceiling = held.stream_sequence
         from checkpoint as same
         left join unnest($2::int[], $3::bigint[]) as held (partition_id, stream_sequence)
             on held.partition_id = same.partition_id
         where checkpoint.generation_id = $1 and same.generation_id = $1
           and same.partition_id = checkpoint.partition_id
           and checkpoint.ceiling is distinct from held.stream_sequence",
        id.0,
        &partition_id,
        &sequence,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Compares a generation with the active one and notes the result; `None` if it has not caught up, or if another
/// projector does this.
pub(super) async fn compare(
    pool: &PgPool,
    active: &Generation,
    built: &Generation,
) -> anyhow::Result<Option<Comparison>> {
    let mut db = pool.acquire().await?;
    let mut snapshot = db.begin().await?;
    sqlx::query!("set transaction isolation level repeatable read").execute(&mut *snapshot).await?;
    // A table may take longer than a statement of a batch.
    sqlx::query!("set local statement_timeout = '1h'").execute(&mut *snapshot).await?;
    // Not the strongest lock on a row: batches refer to it, and must go on.
    let mine = sqlx::query!(
        "select generation_id from generation
         where generation_id = $1 and status = 'building'
         for no key update skip locked",
        built.id.0
    );
    if mine.fetch_optional(&mut *snapshot).await?.is_none() {
        return Ok(None);
    }
    let place = positions(&mut snapshot, active.id).await?;
    let mut other = pool.acquire().await?;
    if !positions(&mut other, built.id).await?.is_near(&place) {
        // The holder before may have died.
        hold(&mut *other, built.id, None).await?;
        return Ok(None);
    }
    hold(&mut *other, built.id, Some(&place)).await?;
    let mut compared = None;
    if meet(&mut snapshot, &mut other, built.id, &place).await? {
        let watcher = &mut Watcher { difference: &mut tell, progress: &mut |_| {} };
        let fold = active.identity.fold_version.min(built.identity.fold_version);
        let expected = Side { db: &mut snapshot, generation: active.id };
        let found = Side { db: &mut other, generation: built.id };
        compared = Some(compare::compare_all(expected, found, fold, watcher).await?);
    }
    hold(&mut *other, built.id, None).await?;
    // Dropped, it would keep its locks until its connection is used again.
    snapshot.rollback().await?;
    if let Some(comparison) = &compared {
        note(pool, active.id, built.id, comparison).await?;
    }
    Ok(compared)
}

/// Waits until the generation is at the place; `false` if it takes too long, or has passed it.
async fn meet(
    snapshot: &mut PgConnection,
    other: &mut PgConnection,
    id: GenerationId,
    place: &Positions,
) -> sqlx::Result<bool> {
    let deadline = Instant::now() + MEETING_MAX;
    loop {
        let now = positions(other, id).await?;
        if now == *place {
            return Ok(true);
        }
        if Instant::now() > deadline {
            return Ok(false);
        }
        // A transaction that stands idle is ended by Postgres.
        sqlx::query!("select 1 as one").fetch_one(&mut *snapshot).await?;
        sleep(STEP_PAUSE).await;
    }
}

fn tell(difference: &compare::Difference) {
    tracing::debug!(%difference, "Generations differ");
}

async fn note(pool: &PgPool, with: GenerationId, id: GenerationId, comparison: &Comparison) -> sqlx::Result<()> {
    sqlx::query!(
        "update generation
         set compared_at = now(), compared_with = $2, compared_rows = $3, compared_differences = $4
         where generation_id = $1",
        id.0,
        with.0,
        i64::try_from(comparison.rows).unwrap_or(i64::MAX),
        i64::try_from(comparison.differences).unwrap_or(i64::MAX),
    )
    .execute(pool)
    .await?;
    Ok(())
}
