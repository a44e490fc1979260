//! The first paths of several days, from the lists of top paths that each day has.
//!
//! A path that is not in a day's list had at most as many views there as the last one in it. So each path has bounds, and
//! where traffic is as it usually is, few paths with many views and many with few, the bounds decide: hundreds of
//! thousands of paths need not be added up to tell the first three.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::NaiveDate;
use contract::TopPaths;

use super::PathViews;

/// Views that are looked up one by one at most: a hundredth of a second's work. Beyond that all paths are added up.
const LOOKED_UP_MAX: usize = 2_000;

/// Where a list comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// None: all days together.
    pub(super) day: Option<NaiveDate>,
    pub(super) partition_id: i32,
}

/// The lists of the days and partitions of a report.
#[derive(Debug, Default)]
pub(super) struct Lists {
    lists: Vec<(Place, TopPaths)>,
    /// Some days have none: the generation is of a fold that keeps none.
    is_incomplete: bool,
}

/// What the lists say about the first paths.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// These they are.
    Decided(Vec<PathViews>),
    /// They are known once it is known how many views these have there.
    Needs(Vec<(Place, String)>),
    /// All paths have to be added up.
    Open,
}

/// What is known of a path.
#[derive(Debug, Default, Clone, Copy)]
struct Bounds {
    /// In the lists that have it.
    low: u64,
    /// The most that it can have in these and in all others.
    high: u64,
    /// What could be in those that have it, if they did not.
    floors: u64,
}

impl Lists {
    pub(super) fn add(&mut self, place: Place, list: Option<TopPaths>) {
        match list {
            Some(list) => self.lists.push((place, list)),
            None => self.is_incomplete = true,
        }
    }

    /// Tells the first `limit` paths, or what it takes to tell them.
    pub(super) fn verdict(&self, limit: usize) -> Verdict {
        let Some(last_rank) = limit.checked_sub(1) else { return Verdict::Decided(vec![]) };
        if self.is_incomplete {
            return Verdict::Open;
        }
        if let [(_, only)] = self.lists.as_slice() {
            let is_enough = only.floor() == 0 || limit <= contract::top_paths::TOP_PATHS_KEPT;
            return if is_enough { Verdict::Decided(first(only.iter(), limit)) } else { Verdict::Open };
        }
        let unlisted = self.lists.iter().map(|(_, list)| list.floor()).sum::<u64>();
        let bounds = self.bounds(unlisted);
        let mut lows: Vec<u64> = bounds.values().map(|bounds| bounds.low).collect();
        lows.sort_unstable_by_key(|low| Reverse(*low));
        let last = lows.get(last_rank).copied().unwrap_or(0);
        // A path that no list has could be among them, or have as many views and come before in byte order.
        if unlisted > 0 && unlisted >= last {
            return Verdict::Open;
        }
        let candidates: BTreeMap<&str, Bounds> = bounds.into_iter().filter(|(_, bounds)| bounds.high >= last).collect();
        if candidates.values().all(|bounds| bounds.low == bounds.high) {
            return Verdict::Decided(first(candidates.iter().map(|(path, bounds)| (*path, bounds.low)), limit));
        }
        // Nothing is looked up in all days together: a site has two lists there only where partitions were added.
        if self.lists.iter().any(|(place, _)| place.day.is_none()) {
            return Verdict::Open;
        }
        let missing: Vec<_> = self.missing(&candidates).take(LOOKED_UP_MAX + 1).collect();
        if missing.len() > LOOKED_UP_MAX { Verdict::Open } else { Verdict::Needs(missing) }
    }

    /// Decides with the views that were looked up, of paths where [`verdict`](Self::verdict) said so.
    pub(super) fn decided(
        &self,
        limit: usize,
        looked_up: &[(String, u64)],
        needed: &[(Place, String)],
    ) -> Vec<PathViews> {
        let unlisted = self.lists.iter().map(|(_, list)| list.floor()).sum::<u64>();
        let asked: BTreeSet<&str> = needed.iter().map(|(_, path)| path.as_str()).collect();
        let mut views: BTreeMap<&str, u64> = self
            .bounds(unlisted)
            .into_iter()
            .filter(|(path, bounds)| asked.contains(path) || bounds.low == bounds.high)
            .map(|(path, bounds)| (path, bounds.low))
            .collect();
        for (path, more) in looked_up {
            *views.entry(path).or_default() += more;
        }
        first(views.into_iter(), limit)
    }

    fn bounds(&self, unlisted: u64) -> HashMap<&str, Bounds> {
        let mut bounds = HashMap::<&str, Bounds>::new();
        for (_, list) in &self.lists {
            let floor = list.floor();
            for (path, views) in list.iter() {
                let bounds = bounds.entry(path).or_default();
                bounds.low += views;
                bounds.floors += floor;
            }
        }
        for bounds in bounds.values_mut() {
            bounds.high = bounds.low + (unlisted - bounds.floors);
        }
        bounds
    }

    /// Where the candidates may have views that are not known.
    fn missing<'a>(&'a self, candidates: &'a BTreeMap<&str, Bounds>) -> impl Iterator<Item = (Place, String)> + 'a {
        let open = self.lists.iter().filter(|(_, list)| list.floor() > 0);
        open.flat_map(move |(place, list)| {
            let listed: BTreeSet<&str> = list.iter().map(|(path, _)| path).collect();
            let unsure = candidates.iter().filter(|(_, bounds)| bounds.low < bounds.high);
            let missing = unsure.map(|(path, _)| *path).filter(move |path| !listed.contains(path));
            missing.map(|path| (*place, path.to_owned()))
        })
    }
}

/// The first of some paths: more views first, equal ones in byte order.
fn first<'a>(paths: impl Iterator<Item = (&'a str, u64)>, limit: usize) -> Vec<PathViews> {
    let mut paths: Vec<_> = paths.collect();
    paths.sort_unstable_by_key(|(path, views)| (Reverse(*views), *path));
    paths.truncate(limit);
    paths.into_iter().map(|(path, views)| PathViews { path: path.to_owned(), views }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place(number: usize) -> Place {
        let day = NaiveDate::from_ymd_opt(2025, 11, 1).map(|day| day + chrono::Days::new(number as u64));
        Place { day, partition_id: 0 }
    }

    /// Days with few views on many paths and many views on few: now one decides, now the other.
    fn days() -> impl Strategy<Value = Vec<BTreeMap<String, u64>>> {
        let views = prop_oneof![4 => 1u64..4, 1 => 50u64..60];
        let day = prop::collection::btree_map((0u8..60).prop_map(|path| format!("/{path}")), views, 0..40);
        prop::collection::vec(day, 0..12)
    }

    proptest! {
        #[test]
        fn what_is_decided_is_what_adding_up_all_paths_makes(days in days(), limit in 0usize..20) {
            let mut lists = Lists::default();
            let mut sums = BTreeMap::<&str, u64>::new();
            for (number, day) in days.iter().enumerate() {
                let mut list = TopPaths::default();
                list.update(day.iter().map(|(path, views)| (path.as_str(), *views)));
                lists.add(place(number), Some(list));
                for (path, views) in day {
                    *sums.entry(path).or_default() += views;
                }
            }
            let expected = first(sums.into_iter(), limit);
            match lists.verdict(limit) {
                Verdict::Decided(paths) => prop_assert_eq!(paths, expected),
                Verdict::Needs(needed) => {
                    let look_up = |(at, path): &(Place, String)| {
                        let number = (0..days.len()).find(|number| place(*number) == *at).expect("a day");
                        days[number].get(path).map(|views| (path.clone(), *views))
                    };
                    let looked_up: Vec<_> = needed.iter().filter_map(look_up).collect();
                    prop_assert_eq!(lists.decided(limit, &looked_up, &needed), expected);
                }
                Verdict::Open => {}
            }
        }
    }

    fn lists(days: &[&[(&str, u64)]]) -> Lists {
        let mut lists = Lists::default();
        for (number, day) in days.iter().enumerate() {
            let mut list = TopPaths::default();
            list.update(day.iter().copied());
            lists.add(place(number), Some(list));
        }
        lists
    }

    #[test]
    fn short_lists_decide_by_themselves() {
        let verdict = lists(&[&[("/a", 3), ("/b", 1)], &[("/b", 2), ("/c", 9)]]).verdict(2);
        let Verdict::Decided(paths) = verdict else { panic!("{verdict:?}") };
        assert_eq!(
            paths.iter().map(|path| (path.path.as_str(), path.views)).collect::<Vec<_>>(),
            [("/c", 9), ("/a", 3)]
        );
    }

    #[test]
    fn days_without_lists_decide_nothing() {
        let mut lists = lists(&[&[("/a", 3)]]);
        lists.add(place(7), None);
        assert_eq!(lists.verdict(1), Verdict::Open);
    }

    #[test]
    fn equal_views_everywhere_decide_nothing() {
        let names: Vec<String> = (10..40).map(|number| format!("/{number}")).collect();
        let day: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
        assert_eq!(lists(&[&day, &day]).verdict(3), Verdict::Open);
    }
}
