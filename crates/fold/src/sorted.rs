//! What a batch adds, in the order of read models' keys: rows that lie together are written together.

use std::ops::Range;

use chrono::NaiveDate;
use contract::Digest;
use hashbrown::HashMap;

use super::caps::Others;
use super::counters::{Counters, Entries, GroupKey, Named, Times, User};
use super::dimension::{Dimension, last_column};
use super::interner::{Interner, TextId, as_u32};

/// A batch in order. Groups and texts have new numbers here, in the order of what they name.
#[derive(Debug, Clone)]
pub struct Sorted {
    texts: Interner,
    text_order: Vec<u32>,
    groups: Vec<Group>,
    names: [Entries<Named>; Dimension::ALL.len()],
    users: Entries<User>,
}

#[derive(Debug, Clone)]
struct Group {
    key: GroupKey,
    views: u32,
    /// Place in the order in which groups came.
    first: u32,
    /// Ends of its entries in each list; they begin at the end of the group before.
    names_end: [usize; Dimension::ALL.len()],
    users_end: usize,
}

/// Deltas of one site, event type and day, or of all days together.
#[derive(Debug, Clone)]
pub struct Counts<'a> {
    all: &'a Sorted,
    days: Range<usize>,
}

impl From<Counters> for Sorted {
    fn from(counters: Counters) -> Self {
        let Counters { texts, groups, mut names, mut users, group_ids } = counters;
        // Not kept while entries are sorted.
        drop(group_ids);
        let text_order = order(texts.len(), |one, other| texts.get(TextId(*one)).cmp(texts.get(TextId(*other))));
        let text_ranks = ranks(&text_order);
        let rank = |TextId(id): TextId| text_ranks[id as usize];
        let group_order = order(groups.len(), |one, other| {
            let key = |id: u32| groups[id as usize].0;
            let place = |key: GroupKey| (rank(key.site_id), rank(key.event_type), key.day);
            place(key(*one)).cmp(&place(key(*other)))
        });
        let group_ranks = ranks(&group_order);

        for names in &mut names {
            for [group, name, ..] in &mut names.list {
                (*group, *name) = (group_ranks[*group as usize], text_ranks[*name as usize]);
            }
            names.add_up();
        }
        for [group, ..] in &mut users.list {
            *group = group_ranks[*group as usize];
        }
        users.drop_repeated();
        let groups = (0..).zip(&group_order).map(|(rank, id)| {
            let (key, views) = groups[*id as usize];
            let names_end = names.each_ref().map(|names| names.list.partition_point(|[group, ..]| *group <= rank));
            let users_end = users.list.partition_point(|[group, ..]| *group <= rank);
            Group { key, views, first: *id, names_end, users_end }
        });
        let groups = groups.collect();
        Self { texts, text_order, groups, names, users }
    }
}

impl Sorted {
    /// Deltas of each site, event type and day.
    pub fn daily(&self) -> impl Iterator<Item = (&str, &str, NaiveDate, Counts<'_>)> {
        self.each().filter_map(|(site_id, event_type, day, counts)| Some((site_id, event_type, day?, counts)))
    }

    /// Deltas of each site, event type and day, and of events that count on no day.
    pub fn each(&self) -> impl Iterator<Item = (&str, &str, Option<NaiveDate>, Counts<'_>)> {
        let each = |(rank, group): (usize, &Group)| {
            let (site_id, event_type) = self.site_and_type(group);
            (site_id, event_type, group.key.day, Counts { all: self, days: rank..rank + 1 })
        };
        self.groups.iter().enumerate().map(each)
    }

    /// A batch of the same events, some of them under other names. Places of first events stay what they are.
    #[must_use]
    pub fn renamed(&self, others: &Others<'_>) -> Self {
        let mut counters = Counters::default();
        for (site_id, event_type, day, counts) in self.each() {
            let group = counters.group(
                site_id,
                others.event_type(site_id, event_type),
                day.filter(|day| !others.is_undated(site_id, *day)),
            );
            counters.count_views(group, self.groups[counts.days.start].views);
            for dimension in Dimension::ALL {
                for (name, times) in counts.times(dimension) {
                    let name = others.name(dimension, (site_id, event_type, day), name);
                    counters.count_name(dimension, group, &name, times);
                }
            }
            for user in counts.users() {
                counters.count_user(group, user);
            }
        }
        counters.into()
    }

    /// Deltas of each site and event type.
    pub fn total(&self) -> impl Iterator<Item = (&str, &str, Counts<'_>)> {
        let same = |one: &Group, other: &Group| {
            (one.key.site_id, one.key.event_type) == (other.key.site_id, other.key.event_type)
        };
        let mut end = 0;
        self.groups.chunk_by(same).map(move |days| {
            let begin = end;
            end += days.len();
            let (site_id, event_type) = self.site_and_type(&days[0]);
            (site_id, event_type, Counts { all: self, days: begin..end })
        })
    }

    /// Bytes that all of it takes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        let Self { texts, text_order, groups, names, users } = self;
        let entries = names.iter().map(Entries::bytes).sum::<usize>() + users.bytes();
        texts.bytes() + text_order.len() * size_of::<u32>() + groups.len() * size_of::<Group>() + entries
    }

    fn site_and_type(&self, group: &Group) -> (&str, &str) {
        (self.texts.get(group.key.site_id), self.texts.get(group.key.event_type))
    }

    fn text(&self, rank: u32) -> &str {
        self.texts.get(TextId(self.text_order[rank as usize]))
    }

    /// The entries of some groups in a list, told by where each group's entries end there.
    fn entries<'b, E>(&self, list: &'b Entries<E>, days: &Range<usize>, end: impl Fn(&Group) -> usize) -> &'b [E] {
        let begin = days.start.checked_sub(1).map_or(0, |before| end(&self.groups[before]));
        &list.list[begin..end(&self.groups[days.end - 1])]
    }
}

impl<'a> Counts<'a> {
    /// Events.
    pub fn views(&self) -> u64 {
        self.all.groups[self.days.clone()].iter().map(|day| u64::from(day.views)).sum()
    }

    /// Events of each name, sorted by it. Folds that do not count a dimension leave its names out.
    pub fn names(&self, dimension: Dimension) -> Vec<(&'a str, u64)> {
        self.sum(self.entries(dimension)).into_iter().map(|(rank, views)| (self.all.text(rank), views)).collect()
    }

    /// The place of its group in the order in which groups came.
    pub fn first(&self) -> u32 {
        self.all.groups[self.days.clone()].iter().map(|group| group.first).min().unwrap_or(0)
    }

    /// Names that caps apply to, each with the place of its first event in the batch.
    pub fn firsts(&self, dimension: Dimension) -> Vec<(&'a str, u32)> {
        let capped = self.times(dimension).filter(|(name, _)| !last_column(name).is_empty());
        capped.map(|(name, times)| (name, times.first)).collect()
    }

    /// Upper bound of the number of different names.
    pub fn names_max(&self, dimension: Dimension) -> usize {
        self.entries(dimension).len()
    }

    /// The numbers of a single group's names, in their order.
    fn times(&self, dimension: Dimension) -> impl Iterator<Item = (&'a str, Times)> + use<'a> {
        debug_assert_eq!(self.days.len(), 1, "entries of several groups are summed");
        let all = self.all;
        let entries = self.entries(dimension).iter();
        entries.map(|[_, rank, views, first]| (all.text(*rank), Times { views: *views, first: *first }))
    }

    fn entries(&self, dimension: Dimension) -> &'a [Named] {
        let number = dimension as usize;
        self.all.entries(&self.all.names[number], &self.days, |group| group.names_end[number])
    }

    /// Users, each once.
    pub fn users(&self) -> Vec<Digest> {
        let entries = self.all.entries(&self.all.users, &self.days, |group| group.users_end);
        let mut users: Vec<_> =
            entries.iter().map(|[_, high, low]| Digest::from_bits(u64::from(*high) << 32 | u64::from(*low))).collect();
        if self.days.len() > 1 {
            users.sort_unstable();
            users.dedup();
        }
        users
    }

    /// Each name once, in order.
    fn sum(&self, entries: &[Named]) -> Vec<(u32, u64)> {
        let each = entries.iter().map(|[_, name, number, _]| (*name, u64::from(*number)));
        if self.days.len() == 1 {
            return each.collect();
        }
        let mut sum = HashMap::<u32, u64>::new();
        each.for_each(|(name, number)| *sum.entry(name).or_default() += number);
        let mut sum: Vec<_> = sum.into_iter().collect();
        sum.sort_unstable();
        sum
    }
}

/// All numbers below `len`, in this order.
fn order(len: usize, compare: impl FnMut(&u32, &u32) -> std::cmp::Ordering) -> Vec<u32> {
    let mut order: Vec<u32> = (0..as_u32(len)).collect();
    order.sort_unstable_by(compare);
    order
}

/// The place of each number in an order.
fn ranks(order: &[u32]) -> Vec<u32> {
    let mut ranks = vec![0; order.len()];
    for (rank, id) in (0..).zip(order) {
        ranks[*id as usize] = rank;
    }
    ranks
}
