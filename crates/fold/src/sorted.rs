//! What a batch adds, in the order of read models' keys: rows that lie together are written together.

use std::collections::BTreeMap;
use std::ops::Range;

use chrono::NaiveDate;
use contract::{Digest, Referrer};
use hashbrown::HashMap;

use super::caps::{Names, Others};
use super::counters::{Counters, Entries, GroupKey, Named, Times, User};
use super::interner::{Interner, TextId, as_u32};

/// A batch in order. Groups, texts and referrers have new numbers here, in the order of what they name.
#[derive(Debug, Clone)]
pub struct Sorted {
    texts: Interner,
    text_order: Vec<u32>,
    referrer_names: Vec<Referrer>,
    groups: Vec<Group>,
    paths: Entries<Named>,
    users: Entries<User>,
    referrers: Entries<Named>,
}

#[derive(Debug, Clone)]
struct Group {
    key: GroupKey,
    views: u32,
    /// Place in the order in which groups came.
    first: u32,
    /// End of its entries in each list; they begin at the end of the group before.
    paths_end: usize,
    users_end: usize,
    referrers_end: usize,
}

/// Deltas of one site, event type and day, or of all days together.
#[derive(Debug, Clone)]
pub struct Counts<'a> {
    all: &'a Sorted,
    days: Range<usize>,
}

impl From<Counters> for Sorted {
    fn from(counters: Counters) -> Self {
        let Counters { texts, groups, mut paths, mut users, mut referrers, referrer_ids, group_ids } = counters;
        // Not kept while entries are sorted.
        drop(group_ids);
        let mut referrer_names = vec![Referrer::None; referrer_ids.len()];
        for (referrer, id) in referrer_ids {
            referrer_names[id as usize] = referrer;
        }
        let text_order = order(texts.len(), |one, other| texts.get(TextId(*one)).cmp(texts.get(TextId(*other))));
        let text_ranks = ranks(&text_order);
        let rank = |TextId(id): TextId| text_ranks[id as usize];
        let group_order = order(groups.len(), |one, other| {
            let key = |id: u32| groups[id as usize].0;
            let place = |key: GroupKey| (rank(key.site_id), rank(key.event_type), key.day);
            place(key(*one)).cmp(&place(key(*other)))
        });
        let group_ranks = ranks(&group_order);
        let referrer_order = order(referrer_names.len(), |one, other| {
            referrer_names[*one as usize].cmp(&referrer_names[*other as usize])
        });
        let referrer_ranks = ranks(&referrer_order);
        referrer_names.sort_unstable();

        for [group, path, ..] in &mut paths.list {
            (*group, *path) = (group_ranks[*group as usize], text_ranks[*path as usize]);
        }
        for [group, ..] in &mut users.list {
            *group = group_ranks[*group as usize];
        }
        for [group, referrer, ..] in &mut referrers.list {
            (*group, *referrer) = (group_ranks[*group as usize], referrer_ranks[*referrer as usize]);
        }
        paths.add_up();
        users.drop_repeated();
        referrers.add_up();
        let groups = (0..).zip(&group_order).map(|(rank, id)| {
            let (key, views) = groups[*id as usize];
            let paths_end = paths.list.partition_point(|[group, ..]| *group <= rank);
            let users_end = users.list.partition_point(|[group, ..]| *group <= rank);
            let referrers_end = referrers.list.partition_point(|[group, ..]| *group <= rank);
            Group { key, views, first: *id, paths_end, users_end, referrers_end }
        });
        let groups = groups.collect();
        Self { texts, text_order, referrer_names, groups, paths, users, referrers }
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
            let (site_id, event_type) = self.names(group);
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
            for ((path, _), times) in counts.paths().into_iter().zip(counts.times(&self.paths, |group| group.paths_end))
            {
                counters.count_path(group, others.path((site_id, event_type, day), path), times);
            }
            for user in counts.users() {
                counters.count_user(group, user);
            }
            let times = counts.times(&self.referrers, |group| group.referrers_end);
            for ((referrer, _), times) in counts.referrers().into_iter().zip(times) {
                counters.count_referrer(group, others.referrer((site_id, event_type, day), referrer), times);
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
            let (site_id, event_type) = self.names(&days[0]);
            (site_id, event_type, Counts { all: self, days: begin..end })
        })
    }

    /// Bytes that all of it takes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        let Self { texts, text_order, referrer_names, groups, paths, users, referrers } = self;
        let names = text_order.len() * size_of::<u32>() + referrer_names.len() * size_of::<Referrer>();
        let entries = paths.bytes() + users.bytes() + referrers.bytes();
        texts.bytes() + names + groups.len() * size_of::<Group>() + entries
    }

    fn names(&self, group: &Group) -> (&str, &str) {
        (self.texts.get(group.key.site_id), self.texts.get(group.key.event_type))
    }

    fn path(&self, rank: u32) -> &str {
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

    /// Events of each path, sorted by it.
    pub fn paths(&self) -> Vec<(&'a str, u64)> {
        let entries = self.all.entries(&self.all.paths, &self.days, |group| group.paths_end);
        self.sum(entries).into_iter().map(|(rank, views)| (self.all.path(rank), views)).collect()
    }

    /// The place of its group in the order in which groups came.
    pub fn first(&self) -> u32 {
        self.all.groups[self.days.clone()].iter().map(|group| group.first).min().unwrap_or(0)
    }

    /// Paths, and referrers that are hosts, each with the place of its first event in the batch.
    pub fn names(&self) -> Names<'a> {
        let paths = self.paths().into_iter().map(|(path, _)| path);
        let paths =
            paths.zip(self.times(&self.all.paths, |group| group.paths_end)).map(|(path, times)| (path, times.first));
        let hosts = self.referrers().into_keys();
        let hosts = hosts.zip(self.times(&self.all.referrers, |group| group.referrers_end));
        let hosts = hosts.filter_map(|(referrer, times)| Some((referrer.host()?.as_str(), times.first)));
        Names { paths: paths.collect(), hosts: hosts.collect() }
    }

    /// Upper bound of the number of different referrers.
    pub fn referrers_max(&self) -> usize {
        self.all.entries(&self.all.referrers, &self.days, |group| group.referrers_end).len()
    }

    /// The numbers of a single group's entries, in their order.
    fn times<F>(&self, list: &'a Entries<Named>, end: F) -> impl Iterator<Item = Times> + use<'a, F>
    where
        F: Fn(&Group) -> usize,
    {
        debug_assert_eq!(self.days.len(), 1, "entries of several groups are summed");
        let entries = self.all.entries(list, &self.days, end);
        entries.iter().map(|[.., views, first]| Times { views: *views, first: *first })
    }

    /// Upper bound of the number of different paths.
    pub fn paths_max(&self) -> usize {
        self.all.entries(&self.all.paths, &self.days, |group| group.paths_end).len()
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

    /// Events of each referrer. Older folds than the third leave them out.
    pub fn referrers(&self) -> BTreeMap<&'a Referrer, u64> {
        let entries = self.all.entries(&self.all.referrers, &self.days, |group| group.referrers_end);
        self.sum(entries).into_iter().map(|(rank, views)| (&self.all.referrer_names[rank as usize], views)).collect()
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
