//! What is added up, and how.
//!
//! A batch may have millions of paths and users, most of them with one event. So there is one list for all of them, not a
//! table for each site and day: three or four numbers an entry, appended as events come, sorted and added up now and then. That
//! takes half of the memory of a hash table, and no more time.

use chrono::NaiveDate;
use contract::Digest;
use hashbrown::HashMap;

use super::dimension::Dimension;
use super::interner::{Interner, TextId, as_u32};

/// Entries that are sorted together for the first time.
const FIRST_SORT: usize = 1 << 16;

/// Key of a group: read models have one row for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct GroupKey {
    pub(super) site_id: TextId,
    pub(super) event_type: TextId,
    /// Day; none for events of the far past that count on no day.
    pub(super) day: Option<NaiveDate>,
}

/// How often something is counted, and the place in the batch of the first event that it is counted for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) views: u32,
    pub(super) first: u32,
}

/// Number of a group within one batch, in the order in which groups came.
#[derive(Debug, Clone, Copy)]
pub(super) struct GroupId(u32);

/// Entry of a path or referrer: group, name, views, and index of its first event.
pub(super) type Named = [u32; 4];

/// A user: its group, and the two halves of its digest. Each counts once.
pub(super) type User = [u32; 3];

/// Everything that is counted. A batch has fewer than 2^32 events.
#[derive(Debug, Default, Clone)]
pub(super) struct Counters {
    pub(super) texts: Interner,
    pub(super) group_ids: HashMap<GroupKey, GroupId>,
    pub(super) groups: Vec<(GroupKey, u32)>,
    /// Views of the names of each dimension.
    pub(super) names: [Entries<Named>; Dimension::ALL.len()],
    pub(super) users: Entries<User>,
}

/// Entries; the first `different` of them are sorted and distinct.
#[derive(Debug, Clone)]
pub(super) struct Entries<E> {
    pub(super) list: Vec<E>,
    different: usize,
}

impl<E> Default for Entries<E> {
    fn default() -> Self {
        Self { list: Vec::new(), different: 0 }
    }
}

impl Counters {
    /// The group of a site, an event type and a day.
    pub(super) fn group(&mut self, site_id: &str, event_type: &str, day: Option<NaiveDate>) -> GroupId {
        let key = GroupKey { site_id: self.texts.intern(site_id), event_type: self.texts.intern(event_type), day };
        let groups = &mut self.groups;
        *self.group_ids.entry(key).or_insert_with(|| {
            groups.push((key, 0));
            GroupId(as_u32(groups.len() - 1))
        })
    }

    pub(super) fn count_views(&mut self, GroupId(group): GroupId, views: u32) {
        self.groups[group as usize].1 += views;
    }

    pub(super) fn count_name(&mut self, dimension: Dimension, GroupId(group): GroupId, name: &str, times: Times) {
        let TextId(name) = self.texts.intern(name);
        self.names[dimension as usize].push([group, name, times.views, times.first], Entries::add_up);
    }

    pub(super) fn count_user(&mut self, GroupId(group): GroupId, user: Digest) {
        let [high, low] = halves(user);
        self.users.push([group, high, low], Entries::drop_repeated);
    }

    /// Bytes that all of it takes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        self.texts.bytes()
            + self.group_ids.allocation_size()
            + self.groups.capacity() * size_of::<(GroupKey, u32)>()
            + self.names.iter().map(Entries::bytes).sum::<usize>()
            + self.users.bytes()
    }
}

impl<E> Entries<E> {
    fn push(&mut self, entry: E, sort: fn(&mut Self)) {
        if self.list.len() >= FIRST_SORT.max(self.different * 2) {
            sort(self);
        }
        if self.list.len() == self.list.capacity() {
            // Not twice as much, as a list would take by itself: it may be most of the memory there is.
            self.list.reserve_exact(16.max(self.list.len() / 4));
        }
        self.list.push(entry);
    }

    pub(super) fn bytes(&self) -> usize {
        self.list.capacity() * size_of::<E>()
    }
}

impl Entries<Named> {
    /// Sorts, and adds up the numbers of those that have group and name in common.
    pub(super) fn add_up(&mut self) {
        self.list.sort_unstable();
        self.list.dedup_by(|next, kept| {
            let is_same = next[..2] == kept[..2];
            kept[2] += u32::from(is_same) * next[2];
            kept[3] = if is_same { kept[3].min(next[3]) } else { kept[3] };
            is_same
        });
        self.different = self.list.len();
    }
}

impl Entries<User> {
    /// Sorts, and leaves one of those that are the same.
    pub(super) fn drop_repeated(&mut self) {
        self.list.sort_unstable();
        self.list.dedup();
        self.different = self.list.len();
    }
}

#[expect(clippy::cast_possible_truncation, reason = "that is what halves are")]
fn halves(user: Digest) -> [u32; 2] {
    [(user.to_bits() >> 32) as u32, user.to_bits() as u32]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Several times as many as are sorted together for the first time, in an order that is none.
    const MANY: u32 = 300_000;

    #[test]
    fn nothing_is_lost_where_entries_are_added_up_on_the_way() {
        let mut entries = Entries::default();
        (0..MANY)
            .for_each(|number| entries.push([number % 7, number.wrapping_mul(31) % 1_000, 1, number], Entries::add_up));
        assert!(entries.list.len() < MANY as usize / 2, "it was added up on the way");
        entries.add_up();
        assert_eq!(entries.list.len(), 7_000);
        assert_eq!(entries.list.iter().map(|[_, _, number, _]| number).sum::<u32>(), MANY);
        assert_eq!(entries.list.iter().map(|[.., first]| first).max(), Some(&6_999), "each keeps its first place");
        assert!(entries.list.is_sorted());
    }

    #[test]
    fn every_user_is_left_once() {
        let mut entries = Entries::default();
        (0..MANY).for_each(|number| entries.push([0, number % 3, number % 50_000], Entries::drop_repeated));
        entries.drop_repeated();
        let expected =
            (0..MANY).map(|number| [0, number % 3, number % 50_000]).collect::<std::collections::BTreeSet<_>>();
        assert!(entries.list.iter().eq(&expected));
    }
}
