//! The statements that add to read models. Each table gets one statement a batch, its rows sorted by key: arrays
//! instead of rows, and no two transactions that lock in different orders.

use sqlx::PgConnection;

use crate::checkpoint::Slice;
use crate::commit::CommitError;
use crate::deltas::Deltas;

/// How often.
mod views;

/// Where.
mod paths;

/// By how many.
mod users;

/// From where.
mod referrers;

/// What could not be read.
mod parked;

/// What came again.
mod repeats;

pub(crate) use users::UnusableSketch;

/// Adds all of it. To be called in the transaction that has moved the checkpoint.
pub(crate) async fn add(db: &mut PgConnection, slice: Slice, deltas: &Deltas) -> Result<(), CommitError> {
    views::add_daily(db, slice, deltas).await?;
    views::add_total(db, slice, deltas).await?;
    paths::add_daily(db, slice, deltas).await?;
    paths::add_total(db, slice, deltas).await?;
    users::add_daily(db, slice, deltas).await?;
    users::add_total(db, slice, deltas).await?;
    referrers::add_daily(db, slice, deltas).await?;
    referrers::add_total(db, slice, deltas).await?;
    parked::add(db, slice, deltas).await?;
    repeats::add(db, slice, deltas).await?;
    Ok(())
}
