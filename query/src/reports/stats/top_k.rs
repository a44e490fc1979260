//! The top k paths of several days, from the list of top paths that each day and partition has.
//!
//! This is the threshold algorithm of Fagin without random access (NRA), over lists that are cut. A path that is not in a
//! day's list had at most as many views there as the last one in it, the list's floor. So each path has a lower and an upper
//! bound of its views. Usually few paths have many views and many paths have few, and the bounds decide: hundreds of
//! thousands of paths need not be added up to find the first three. Where the bounds do not decide, but few candidates are
//! left, their missing views are looked up (the random access of the algorithm).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::NaiveDate;
use contract::TopPaths;

use super::PathViews;

/// Views that are looked up one by one at most: a hundredth of a second's work. Beyond that all paths are added up.
const LOOKED_UP_MAX: usize = 2_000;

/// The day and partition of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ListKey {
    /// `None` is all time.
    pub(super) day: Option<NaiveDate>,
    pub(super) partition_id: i32,
}

/// The lists of the days and partitions of a report.
#[derive(Debug, Default)]
pub(super) struct TopPathLists {
    lists: Vec<(ListKey, TopPaths)>,
    /// Whether a day has no list: the generation is of a fold that keeps none.
    is_incomplete: bool,
}

/// The top k paths, as far as the lists decide which they are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TopK {
    /// The top paths.
    Decided(Vec<PathViews>),
    /// Views that have to be looked up first.
    Needs(Vec<Lookup>),
    /// Every path has to be added up.
    Open,
}

/// The views of a path at one day and partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lookup {
    pub(super) key: ListKey,
    pub(super) path: String,
}

/// Bounds of the views of a path.
#[derive(Debug, Default, Clone, Copy)]
struct ViewBounds {
    /// Views in the lists that have the path.
    low: u64,
    /// Views in these lists, and at most the floor of every other.
    high: u64,
    /// The floors of the lists that have the path.
    floors: u64,
}

impl TopPathLists {
    pub(super) fn add(&mut self, key: ListKey, list: Option<TopPaths>) {
        match list {
            Some(list) => self.lists.push((key, list)),
            None => self.is_incomplete = true,
        }
    }

    /// Finds the first `limit` paths, or what has to be read to find them.
    pub(super) fn top_k(&self, limit: usize) -> TopK {
        let Some(last_rank) = limit.checked_sub(1) else { return TopK::Decided(vec![]) };
        if self.is_incomplete {
            return TopK::Open;
        }
        if let [(_, only)] = self.lists.as_slice() {
            let is_enough = only.floor() == 0 || limit <= contract::top_paths::TOP_PATHS_KEPT;
            return if is_enough { TopK::Decided(first(only.iter(), limit)) } else { TopK::Open };
        }
        let unlisted = self.lists.iter().map(|(_, list)| list.floor()).sum::<u64>();
        let bounds = self.bounds(unlisted);
        let mut lows: Vec<u64> = bounds.values().map(|bounds| bounds.low).collect();
        lows.sort_unstable_by_key(|low| Reverse(*low));
        let last = lows.get(last_rank).copied().unwrap_or(0);
        // A path that no list has could be among them, or have as many views and come before in byte order.
        if unlisted > 0 && unlisted >= last {
            return TopK::Open;
        }
        let candidates: BTreeMap<&str, ViewBounds> =
            bounds.into_iter().filter(|(_, bounds)| bounds.high >= last).collect();
        if candidates.values().all(|bounds| bounds.low == bounds.high) {
            return TopK::Decided(first(candidates.iter().map(|(path, bounds)| (*path, bounds.low)), limit));
        }
        // Nothing is looked up in all days together: a site has two lists there only where partitions were added.
        if self.lists.iter().any(|(key, _)| key.day.is_none()) {
            return TopK::Open;
        }
        let missing: Vec<_> = self.missing(&candidates).take(LOOKED_UP_MAX + 1).collect();
        if missing.len() > LOOKED_UP_MAX { TopK::Open } else { TopK::Needs(missing) }
    }

    /// Finds the first `limit` paths with the views that [`top_k`](Self::top_k) asked for.
    pub(super) fn decided(&self, limit: usize, looked_up: &[PathViews], lookups: &[Lookup]) -> Vec<PathViews> {
        let unlisted = self.lists.iter().map(|(_, list)| list.floor()).sum::<u64>();
        let asked: BTreeSet<&str> = lookups.iter().map(|lookup| lookup.path.as_str()).collect();
        let mut views: BTreeMap<&str, u64> = self
            .bounds(unlisted)
            .into_iter()
            .filter(|(path, bounds)| asked.contains(path) || bounds.low == bounds.high)
            .map(|(path, bounds)| (path, bounds.low))
            .collect();
        for found in looked_up {
            *views.entry(&found.path).or_default() += found.views;
        }
        first(views.into_iter(), limit)
    }

    fn bounds(&self, unlisted: u64) -> HashMap<&str, ViewBounds> {
        let mut bounds = HashMap::<&str, ViewBounds>::new();
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

    /// The views of candidates that no list has.
    fn missing<'a>(&'a self, candidates: &'a BTreeMap<&str, ViewBounds>) -> impl Iterator<Item = Lookup> + 'a {
        let open = self.lists.iter().filter(|(_, list)| list.floor() > 0);
        open.flat_map(move |(key, list)| {
            let listed: BTreeSet<&str> = list.iter().map(|(path, _)| path).collect();
            let unsure = candidates.iter().filter(|(_, bounds)| bounds.low < bounds.high);
            let missing = unsure.map(|(path, _)| *path).filter(move |path| !listed.contains(path));
            missing.map(|path| Lookup { key: *key, path: path.to_owned() })
        })
    }
}

/// The first paths: those with more views first, equal ones in byte order.
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

    fn key(number: usize) -> ListKey {
        let day = NaiveDate::from_ymd_opt(2025, 11, 1).map(|day| day + chrono::Days::new(number as u64));
        ListKey { day, partition_id: 0 }
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
            let mut lists = TopPathLists::default();
            let mut sums = BTreeMap::<&str, u64>::new();
            for (number, day) in days.iter().enumerate() {
                let mut list = TopPaths::default();
                list.update(day.iter().map(|(path, views)| (path.as_str(), *views)));
                lists.add(key(number), Some(list));
                for (path, views) in day {
                    *sums.entry(path).or_default() += views;
                }
            }
            let expected = first(sums.into_iter(), limit);
            match lists.top_k(limit) {
                TopK::Decided(paths) => prop_assert_eq!(paths, expected),
                TopK::Needs(lookups) => {
                    let look_up = |lookup: &Lookup| {
                        let number = (0..days.len()).find(|number| key(*number) == lookup.key).expect("a day");
                        days[number].get(&lookup.path).map(|views| PathViews { path: lookup.path.clone(), views: *views })
                    };
                    let looked_up: Vec<_> = lookups.iter().filter_map(look_up).collect();
                    prop_assert_eq!(lists.decided(limit, &looked_up, &lookups), expected);
                }
                TopK::Open => {}
            }
        }
    }

    fn lists(days: &[&[(&str, u64)]]) -> TopPathLists {
        let mut lists = TopPathLists::default();
        for (number, day) in days.iter().enumerate() {
            let mut list = TopPaths::default();
            list.update(day.iter().copied());
            lists.add(key(number), Some(list));
        }
        lists
    }

    #[test]
    fn short_lists_decide_by_themselves() {
        let found = lists(&[&[("/a", 3), ("/b", 1)], &[("/b", 2), ("/c", 9)]]).top_k(2);
        let TopK::Decided(paths) = found else { panic!("{found:?}") };
        assert_eq!(
            paths.iter().map(|path| (path.path.as_str(), path.views)).collect::<Vec<_>>(),
            [("/c", 9), ("/a", 3)]
        );
    }

    #[test]
    fn days_without_lists_decide_nothing() {
        let mut lists = lists(&[&[("/a", 3)]]);
        lists.add(key(7), None);
        assert_eq!(lists.top_k(1), TopK::Open);
    }

    #[test]
    fn equal_views_everywhere_decide_nothing() {
        let names: Vec<String> = (10..40).map(|number| format!("/{number}")).collect();
        let day: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
        assert_eq!(lists(&[&day, &day]).top_k(3), TopK::Open);
    }
}
