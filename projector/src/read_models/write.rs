//! The statements that add to read models. A statement adds many rows, sorted by key, as arrays: that costs less.

use std::borrow::Cow;

use fold::{Deltas, Dimension, Parked};
use sqlx::PgConnection;

use super::error::CommitError;
use super::slice::Slice;

/// Groups of rows: site, type and day.
mod group_key;

/// Rows that were written lately.
mod row_cache;

/// Views per site, type and day.
mod views;

/// Views per name.
mod names;

/// Sketches of users.
mod users;

/// Adds views and users, in one statement.
mod upsert;

/// Copies rows into a slice that has none yet.
mod bulk_load;

/// Rows in the binary form of COPY.
mod binary_copy;

/// Names beyond a site's caps.
mod caps;

/// Parked events.
mod parked;

/// Repeated events.
mod repeats;

pub(crate) use caps::Capped;
use caps::Renamed;
use group_key::Group;
use row_cache::RowCache;
use upsert::Columns;

/// Begins a transaction that adds to read models. The first table is locked before all others, as by the statements that make and
/// drop generations: the statements come to it late, and each would wait for what the other one has.
pub(crate) const BEGIN: &str = "begin; lock table view_daily in row exclusive mode";

/// Groups that one statement adds to. A sketch of each has up to 13 KB, twice.
const STATEMENT_GROUPS: usize = 500;

/// Paths from which on a statement takes no further group: more of them take memory on both sides, and no less time.
const STATEMENT_PATHS: usize = 20_000;

/// Writes to the rows of one slice. Remembers what it wrote lately, so that the next batch need not read it.
///
/// What it remembers is right for as long as each transaction that it wrote in is committed, and nothing else writes the slice: after a
/// transaction that was rolled back it has to forget.
#[derive(Debug)]
pub struct SliceWriter {
    slice: Slice,
    rows: RowCache,
}

/// How deltas are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteMode {
    /// Rows are copied if the slice has none yet.
    CopyIfEmpty,
    /// Rows are added to.
    Upsert,
}

impl SliceWriter {
    /// A writer that remembers nothing yet.
    pub fn new(slice: Slice) -> Self {
        Self { slice, rows: RowCache::default() }
    }

    /// The slice that it writes.
    pub(crate) fn slice(&self) -> Slice {
        self.slice
    }

    /// Forgets what it has written.
    pub fn forget(&mut self) {
        self.rows = RowCache::default();
    }

    /// Adds deltas, in the transaction that has moved the checkpoint. Answers what of them is beyond caps.
    pub(crate) async fn add(
        &mut self,
        db: &mut PgConnection,
        mode: WriteMode,
        deltas: &Deltas,
    ) -> Result<Capped, CommitError> {
        let slice = self.slice;
        let sorted = deltas.sorted();
        let (mut types, mut renamed) = (Cow::Borrowed(sorted.as_ref()), Renamed::default());
        if let Some(caps) = deltas.caps() {
            types = self.rows.bounds.cap_types(&mut *db, slice, caps, &sorted).await?;
            renamed = self.rows.bounds.cap_names(&mut *db, slice, caps, &types).await?;
        }
        let [daily, total] = [&renamed.daily, &renamed.total].map(|renamed| renamed.as_ref().unwrap_or(&types));
        let groups = group_key::groups(daily, total);
        // A stream that was made anew begins once more, too.
        if mode == WriteMode::CopyIfEmpty && is_empty(db, slice).await? {
            bulk_load::write(db, slice, deltas, &groups).await?;
        } else {
            let mut rest = groups.as_slice();
            while !rest.is_empty() {
                let (some, others) = rest.split_at(statement_groups(rest));
                self.add_groups(db, deltas, some).await?;
                rest = others;
            }
        }
        parked::add(db, slice, &deltas.parked).await?;
        repeats::add(db, slice, deltas).await?;
        let types = if let Cow::Owned(types) = &types { Some(types) } else { None };
        Ok(Capped::of(types, &renamed))
    }

    async fn add_groups(
        &mut self,
        db: &mut PgConnection,
        deltas: &Deltas,
        groups: &[Group<'_>],
    ) -> Result<(), CommitError> {
        let Self { slice, rows } = self;
        let mut states = rows.take(db, *slice, groups).await?;
        names::add(db, *slice, groups, &mut states).await?;
        let mut columns = Columns::default();
        for (group, state) in groups.iter().zip(&mut states) {
            let grown = users::add(deltas, group, state)?;
            columns.push(group, state, deltas.keeps_top_paths(), grown);
        }
        columns.add(db, *slice).await?;
        rows.put(groups, states);
        Ok(())
    }
}

/// Keeps events that cannot be counted.
pub(crate) async fn park(db: &mut PgConnection, slice: Slice, events: &[Parked]) -> sqlx::Result<()> {
    parked::add(db, slice, events).await
}

/// How many of the groups one statement adds to: one at least.
fn statement_groups(groups: &[Group<'_>]) -> usize {
    let mut paths = 0;
    let fits = groups.iter().take(STATEMENT_GROUPS).take_while(|group| {
        let is_room = paths < STATEMENT_PATHS;
        paths += group.counts.names_max(Dimension::Path);
        is_room
    });
    fits.count()
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
