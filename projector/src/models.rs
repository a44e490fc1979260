//! The statements that add to read models. A statement adds many rows, sorted by key: as arrays, which costs
//! less, and so that no two transactions lock in different orders.

use chrono::NaiveDate;
use contract::KeyId;
use sqlx::PgConnection;

use crate::checkpoint::Slice;
use crate::commit::CommitError;
use crate::deltas::{Counts, Deltas};

/// How often.
mod views;

/// Where.
mod paths;

/// By how many.
mod users;

/// From where.
mod referrers;

/// All of it, where nothing is there yet.
mod first;

/// Many rows at once.
mod copy;

/// What could not be read.
mod parked;

/// What came again.
mod repeats;

pub(crate) use users::UnusableSketch;

/// Sites, types and days that one statement adds to. A sketch of each has up to 13 KB, twice.
const STATEMENT_GROUPS: usize = 500;

/// What is added to each site, event type and day, sorted by them.
type Daily<'a> = [(&'a str, &'a str, NaiveDate, Counts<'a>)];

/// The same without the days.
type Total<'a> = [(&'a str, &'a str, Counts<'a>)];

/// Adds all of it. To be called in the transaction that has moved the checkpoint; `from_the_beginning` if that stood
/// before the first envelope.
pub(crate) async fn add(
    db: &mut PgConnection,
    slice: Slice,
    from_the_beginning: bool,
    deltas: &Deltas,
) -> Result<(), CommitError> {
    let (key_id, sorted) = (deltas.key_id(), deltas.sorted());
    let (daily, total): (Vec<_>, Vec<_>) = (sorted.daily().collect(), sorted.total().collect());
    // A stream that was made anew begins once more, too.
    if from_the_beginning && is_empty(db, slice).await? {
        first::write_daily(db, slice, key_id, &daily).await?;
        first::write_total(db, slice, key_id, &total).await?;
    } else {
        add_daily(db, slice, key_id, &daily).await?;
        add_total(db, slice, key_id, &total).await?;
    }
    parked::add(db, slice, deltas).await?;
    repeats::add(db, slice, deltas).await?;
    Ok(())
}

/// Whether nothing was counted yet.
async fn is_empty(db: &mut PgConnection, slice: Slice) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select not exists (select from view_total where generation_id = $1 and partition_id = $2) as "is_empty!""#,
        slice.generation.0,
        slice.partition_id(),
    )
    .fetch_one(db)
    .await
}

async fn add_daily(db: &mut PgConnection, slice: Slice, key_id: KeyId, daily: &Daily<'_>) -> Result<(), CommitError> {
    for some in daily.chunks(STATEMENT_GROUPS) {
        views::add_daily(db, slice, some).await?;
        users::add_daily(db, slice, key_id, some).await?;
        referrers::add_daily(db, slice, some).await?;
    }
    paths::add_daily(db, slice, daily).await?;
    Ok(())
}

async fn add_total(db: &mut PgConnection, slice: Slice, key_id: KeyId, total: &Total<'_>) -> Result<(), CommitError> {
    for some in total.chunks(STATEMENT_GROUPS) {
        views::add_total(db, slice, some).await?;
        users::add_total(db, slice, key_id, some).await?;
        referrers::add_total(db, slice, some).await?;
    }
    paths::add_total(db, slice, total).await?;
    Ok(())
}
