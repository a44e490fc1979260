//! What is remembered of event ids, compared with what the log says.

use anyhow::Context;
use contract::Partition;
use sqlx::PgConnection;

use crate::checkpoint::{self, Slice};
use crate::recent;
use crate::repeats::{RecentIds, WindowSeconds};

/// Whether a partition remembers exactly these ids, at the checkpoint that is seen.
///
/// # Errors
///
/// The database is away, or what is remembered cannot be read.
pub(super) async fn is(
    db: &mut PgConnection,
    slice: Slice,
    window: WindowSeconds,
    expected: &RecentIds,
) -> anyhow::Result<bool> {
    let checkpoint = checkpoint::find(&mut *db, slice).await?.context("the partition has no checkpoint")?;
    Ok(recent::load(db, slice, checkpoint, window).await? == *expected)
}

/// What to say where they differ.
pub(super) fn difference(partition: Partition) -> String {
    format!("remembered event ids of partition {partition}: others than those of the log")
}
