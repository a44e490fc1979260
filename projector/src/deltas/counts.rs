//! What is added up, and how: whatever a new projection counts has its place here.

use std::collections::{BTreeMap, BTreeSet};

use contract::{Digest, Referrer};

use super::entry;

/// What is added for one site, event type and day, or for all days together.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Counts {
    /// Events.
    pub views: u64,
    /// Events of each path.
    pub paths: BTreeMap<String, u64>,
    /// Users, each once.
    pub users: BTreeSet<Digest>,
    /// Events of each referrer. Older folds than the third leave them out.
    pub referrers: BTreeMap<Referrer, u64>,
}

impl Counts {
    pub(super) fn sum<'a>(days: impl Iterator<Item = &'a Self>) -> Self {
        let mut sum = Self::default();
        for day in days {
            sum.views += day.views;
            sum.users.extend(&day.users);
            for (path, views) in &day.paths {
                *entry(&mut sum.paths, path) += views;
            }
            for (referrer, views) in &day.referrers {
                *sum.referrers.entry(referrer.clone()).or_default() += views;
            }
        }
        sum
    }
}
