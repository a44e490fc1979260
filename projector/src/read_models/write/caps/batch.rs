//! What a batch adds to each site, and in which order its names came.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;
use fold::{Counts, Dimension, Sorted};

/// What a batch adds to one site.
pub(super) struct SiteBatch<'a> {
    pub(super) site_id: &'a str,
    pub(super) groups: Vec<Group<'a>>,
}

/// A type and a day of it.
pub(super) struct Group<'a> {
    pub(super) event_type: &'a str,
    pub(super) day: Option<NaiveDate>,
    pub(super) counts: Counts<'a>,
}

/// A name of a batch.
pub(super) struct Name<'a> {
    pub(super) event_type: &'a str,
    pub(super) text: &'a str,
    first: u32,
}

/// Each type's names once, in the order of their first events.
pub(super) fn firsts<'a>(groups: &[&Group<'a>], dimension: Dimension) -> Vec<Name<'a>> {
    let mut firsts = HashMap::new();
    for group in groups {
        for (name, first) in group.counts.firsts(dimension) {
            let known = firsts.entry((group.event_type, name)).or_insert(first);
            *known = first.min(*known);
        }
    }
    let mut firsts: Vec<_> =
        firsts.into_iter().map(|((event_type, text), first)| Name { event_type, text, first }).collect();
    firsts.sort_unstable_by_key(|name| name.first);
    firsts
}

pub(super) fn sites(sorted: &Sorted) -> Vec<SiteBatch<'_>> {
    let mut sites = Vec::<SiteBatch<'_>>::new();
    for (site_id, event_type, day, counts) in sorted.each() {
        let group = Group { event_type, day, counts };
        match sites.last_mut().filter(|last| last.site_id == site_id) {
            Some(site) => site.groups.push(group),
            None => sites.push(SiteBatch { site_id, groups: vec![group] }),
        }
    }
    sites
}

impl<'a> SiteBatch<'a> {
    /// What its groups are about, each once, in the order of the log.
    pub(super) fn firsts<T: Ord + Copy>(&self, about: impl Fn(&Group<'a>) -> Option<T>) -> Vec<T> {
        let mut firsts = BTreeMap::<T, u32>::new();
        for group in &self.groups {
            if let Some(about) = about(group) {
                let first = group.counts.first();
                firsts.entry(about).and_modify(|known| *known = first.min(*known)).or_insert(first);
            }
        }
        let mut firsts: Vec<_> = firsts.into_iter().collect();
        firsts.sort_unstable_by_key(|(_, first)| *first);
        firsts.into_iter().map(|(about, _)| about).collect()
    }

    pub(super) fn by_day(&self) -> BTreeMap<NaiveDate, Vec<&Group<'a>>> {
        let mut days = BTreeMap::<NaiveDate, Vec<&Group<'a>>>::new();
        for group in &self.groups {
            if let Some(day) = group.day {
                days.entry(day).or_default().push(group);
            }
        }
        days
    }
}
