//! What is stored of groups that were added to lately: the next batch, some milliseconds later, most often adds to the
//! same ones, and need not ask.
//!
//! The cache is right as long as there is no other writer of the slice. Another writer changes the checkpoint or its
//! epoch, so the next batch is not committed, and the cache is thrown away with it.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use contract::TopPaths;
use sqlx::PgConnection;

use super::caps::CapCache;
use super::group_key::{Grains, Group, Keys};
use crate::read_models::error::CommitError;
use crate::read_models::slice::Slice;

/// Bytes of a slice: the sketches of 600 large sites, or of ten thousand small ones. Four slices take 32 MiB.
const BYTES_MAX: usize = 8 << 20;

/// Bytes of a group beside its sketch and its paths, about.
const STATE_BYTES: usize = 256;

/// What is stored of some groups of one slice.
#[derive(Debug, Default)]
pub(super) struct RowCache {
    /// How many names sites have at most.
    pub(super) bounds: CapCache,
    states: BTreeMap<Name, State>,
    bytes: usize,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    site_id: String,
    event_type: String,
    day: Option<NaiveDate>,
}

/// What is stored of one, apart from what can be added to without knowing it.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) sketch: Option<Vec<u8>>,
    pub(super) top_paths: TopPaths,
}

impl RowCache {
    /// Takes out what is stored of each group; what is not known is read.
    pub(super) async fn take(
        &mut self,
        db: &mut PgConnection,
        slice: Slice,
        groups: &[Group<'_>],
    ) -> Result<Vec<State>, CommitError> {
        let mut states: Vec<_> = groups.iter().map(|group| self.remove(group)).collect();
        let unknown: Vec<_> = (0..groups.len()).filter(|index| states[*index].is_none()).collect();
        if !unknown.is_empty() {
            let read = read(db, slice, unknown.iter().map(|index| &groups[*index])).await?;
            for (index, state) in unknown.into_iter().zip(read) {
                states[index] = Some(state);
            }
        }
        Ok(states.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// Remembers what is stored of each now.
    pub(super) fn put(&mut self, groups: &[Group<'_>], states: Vec<State>) {
        for (group, state) in groups.iter().zip(states) {
            let bytes = state.bytes();
            if self.bytes + bytes > BYTES_MAX {
                // Which ones will be needed again is not known: those that are will be back with the next batches.
                (self.states, self.bytes) = (BTreeMap::new(), 0);
            }
            self.bytes += bytes;
            self.states.insert(Name::of(group), state);
        }
    }

    fn remove(&mut self, group: &Group<'_>) -> Option<State> {
        let state = self.states.remove(&Name::of(group))?;
        self.bytes -= state.bytes();
        Some(state)
    }
}

impl Name {
    fn of(group: &Group<'_>) -> Self {
        Self { site_id: group.site_id.to_owned(), event_type: group.event_type.to_owned(), day: group.day }
    }
}

impl State {
    fn bytes(&self) -> usize {
        STATE_BYTES + self.sketch.as_ref().map_or(0, Vec::len) + self.top_paths.bytes()
    }
}

/// What is stored of each; nothing, where there is nothing.
async fn read<'a>(
    db: &mut PgConnection,
    slice: Slice,
    groups: impl Iterator<Item = &'a Group<'a>> + Clone,
) -> Result<Vec<State>, CommitError> {
    let mut keys = Grains::<Keys<'_>>::default();
    groups.clone().for_each(|group| keys.of(group).push(group));
    let rows = sqlx::query_file!(
        "src/read_models/write/row_cache.sql",
        slice.generation.0,
        slice.partition_id(),
        &keys.daily.site_id as &[&str],
        &keys.daily.event_type as &[&str],
        &keys.daily.day,
        &keys.total.site_id as &[&str],
        &keys.total.event_type as &[&str],
    )
    .fetch_all(db)
    .await?;
    let mut states = Grains::<BTreeMap<i64, State>>::default();
    for row in rows {
        let top_paths = row.top_paths.map_or(Ok(TopPaths::default()), |stored| TopPaths::from_json(&stored))?;
        let of_grain = if row.is_daily { &mut states.daily } else { &mut states.total };
        of_grain.insert(row.number, State { sketch: row.sketch, top_paths });
    }
    let mut numbers = Grains { daily: 1.., total: 1.. };
    let state = |group: &Group<'_>| {
        let number = numbers.of(group).next().expect("there is always a next number");
        states.of(group).remove(&number).unwrap_or_default()
    };
    Ok(groups.map(state).collect())
}
