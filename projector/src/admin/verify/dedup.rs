//! What is remembered of event ids, compared with what the log says.

use anyhow::Context as _;
use contract::Partition;
use fold::{DedupWindow, WindowSeconds};
use sqlx::PgConnection;

use crate::read_models::checkpoint;
use crate::read_models::dedup_store;
use crate::read_models::slice::Slice;

/// Whether a partition remembers exactly these ids, at the checkpoint that is seen.
pub(crate) async fn matches(
    db: &mut PgConnection,
    slice: Slice,
    window: WindowSeconds,
    expected: &DedupWindow,
) -> anyhow::Result<bool> {
    let checkpoint = checkpoint::find(&mut *db, slice).await?.context("the partition has no checkpoint")?;
    Ok(dedup_store::load(db, slice, checkpoint, window).await? == *expected)
}

/// What to say where they differ.
pub(crate) fn difference(partition: Partition) -> String {
    format!("remembered event ids of partition {partition}: others than those of the log")
}
