//! What a batch adds, in the order of read models' keys: rows that lie together are written together.

use std::collections::BTreeMap;
use std::ops::Range;

use chrono::NaiveDate;
use contract::{Digest, Referrer};
use hashbrown::HashMap;

use super::counts::{GroupId, GroupKey, ReferrerId};
use super::texts::{TextId, Texts};

/// All of a batch.
#[derive(Debug)]
pub struct Sorted<'a> {
    texts: &'a Texts,
    referrer_names: Vec<&'a Referrer>,
    groups: Vec<Group<'a>>,
    paths: Vec<(Rank, TextId, u32)>,
    users: Vec<(Rank, Digest)>,
    referrers: Vec<(Rank, ReferrerId, u32)>,
}

/// A group's place in the order.
type Rank = u32;

#[derive(Debug)]
struct Group<'a> {
    site_id: &'a str,
    event_type: &'a str,
    day: NaiveDate,
    views: u32,
    /// Where its rows end in each list; they begin where those of the group before end.
    paths_end: usize,
    users_end: usize,
    referrers_end: usize,
}

/// What is added for one site, event type and day, or for all days together.
#[derive(Debug, Clone)]
pub struct Counts<'a> {
    all: &'a Sorted<'a>,
    days: Range<usize>,
}

impl<'a> Sorted<'a> {
    pub(super) fn of(
        (texts, referrer_names): (&'a Texts, Vec<&'a Referrer>),
        groups: impl Iterator<Item = (GroupKey, GroupId, u32)>,
        paths: impl Iterator<Item = (GroupId, TextId, u32)>,
        users: impl Iterator<Item = (GroupId, Digest)>,
        referrers: impl Iterator<Item = (GroupId, ReferrerId, u32)>,
    ) -> Self {
        let mut ordered: Vec<_> = groups
            .map(|(key, id, views)| (texts.get(key.site_id), texts.get(key.event_type), key.day, id, views))
            .collect();
        ordered.sort_unstable_by_key(|(site_id, event_type, day, ..)| (*site_id, *event_type, *day));
        let mut ranks = vec![0; ordered.len()];
        for (rank, (.., GroupId(id), _)) in (0..).zip(&ordered) {
            ranks[*id as usize] = rank;
        }
        let rank = |GroupId(id): GroupId| -> Rank { ranks[id as usize] };
        let mut paths: Vec<_> = paths.map(|(group, path, views)| (rank(group), path, views)).collect();
        paths.sort_unstable_by_key(|(rank, path, _)| (*rank, texts.get(*path)));
        let mut users: Vec<_> = users.map(|(group, user)| (rank(group), user)).collect();
        users.sort_unstable();
        let mut referrers: Vec<_> = referrers.map(|(group, id, views)| (rank(group), id, views)).collect();
        referrers.sort_unstable_by_key(|(rank, ReferrerId(id), _)| (*rank, referrer_names[*id as usize]));
        let groups = (0..).zip(ordered).map(|(rank, (site_id, event_type, day, _, views))| Group {
            site_id,
            event_type,
            day,
            views,
            paths_end: paths.partition_point(|(of, ..)| *of <= rank),
            users_end: users.partition_point(|(of, _)| *of <= rank),
            referrers_end: referrers.partition_point(|(of, ..)| *of <= rank),
        });
        Self { texts, groups: groups.collect(), referrer_names, paths, users, referrers }
    }

    /// What is added to each site, event type and day.
    pub fn daily(&'a self) -> impl Iterator<Item = (&'a str, &'a str, NaiveDate, Counts<'a>)> {
        let day = |(rank, group): (usize, &'a Group<'a>)| {
            (group.site_id, group.event_type, group.day, Counts { all: self, days: rank..rank + 1 })
        };
        self.groups.iter().enumerate().map(day)
    }

    /// The same without the days.
    pub fn total(&'a self) -> impl Iterator<Item = (&'a str, &'a str, Counts<'a>)> {
        let same =
            |one: &Group<'_>, other: &Group<'_>| (one.site_id, one.event_type) == (other.site_id, other.event_type);
        let mut end = 0;
        self.groups.chunk_by(same).map(move |days| {
            let begin = end;
            end += days.len();
            (days[0].site_id, days[0].event_type, Counts { all: self, days: begin..end })
        })
    }

    /// The rows of some groups in a list, told by where each group's rows end there.
    fn rows<'b, T>(&self, list: &'b [T], days: &Range<usize>, end: impl Fn(&Group<'_>) -> usize) -> &'b [T] {
        let begin = days.start.checked_sub(1).map_or(0, |before| end(&self.groups[before]));
        &list[begin..end(&self.groups[days.end - 1])]
    }
}

impl<'a> Counts<'a> {
    /// Events.
    pub fn views(&self) -> u64 {
        self.all.groups[self.days.clone()].iter().map(|day| u64::from(day.views)).sum()
    }

    /// Events of each path, sorted by it.
    pub fn paths(&self) -> Vec<(&'a str, u64)> {
        let Sorted { texts, paths, .. } = self.all;
        let rows = self.all.rows(paths, &self.days, |group| group.paths_end);
        let named = |(path, views): (TextId, u64)| (texts.get(path), views);
        if self.days.len() == 1 {
            return rows.iter().map(|(_, path, views)| named((*path, u64::from(*views)))).collect();
        }
        let mut sum = HashMap::<TextId, u64>::new();
        for (_, path, views) in rows {
            *sum.entry(*path).or_default() += u64::from(*views);
        }
        let mut paths: Vec<_> = sum.into_iter().map(named).collect();
        paths.sort_unstable();
        paths
    }

    /// Users, each once.
    pub fn users(&self) -> Vec<Digest> {
        let rows = self.all.rows(&self.all.users, &self.days, |group| group.users_end);
        let mut users: Vec<_> = rows.iter().map(|(_, user)| *user).collect();
        if self.days.len() > 1 {
            users.sort_unstable();
            users.dedup();
        }
        users
    }

    /// Events of each referrer. Older folds than the third leave them out.
    pub fn referrers(&self) -> BTreeMap<&'a Referrer, u64> {
        let Sorted { referrer_names, referrers, .. } = self.all;
        let mut sum = BTreeMap::new();
        for (_, ReferrerId(id), views) in self.all.rows(referrers, &self.days, |group| group.referrers_end) {
            *sum.entry(referrer_names[*id as usize]).or_default() += u64::from(*views);
        }
        sum
    }
}
