//! What is added up, and how: whatever a new projection counts has its place here.
//!
//! A batch may have millions of paths and users, most of them with one event. So there is one table for all of them, not
//! one for each site and day, and everything in it is a number.

use chrono::NaiveDate;
use contract::{Digest, Referrer};
use hashbrown::{HashMap, HashSet};

use super::sorted::Sorted;
use super::texts::{TextId, Texts};

/// Names a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct GroupId(pub(super) u32);

/// What read models are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct GroupKey {
    pub(super) site_id: TextId,
    pub(super) event_type: TextId,
    pub(super) day: NaiveDate,
}

/// Names a referrer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ReferrerId(pub(super) u32);

/// Everything that is counted. A batch has fewer than 2^32 events.
#[derive(Debug, Default, Clone)]
pub(super) struct Counters {
    pub(super) texts: Texts,
    groups: HashMap<GroupKey, GroupId>,
    views: Vec<u32>,
    paths: HashMap<(GroupId, TextId), u32>,
    users: HashSet<(GroupId, Digest)>,
    referrers: HashMap<(GroupId, ReferrerId), u32>,
    referrer_ids: HashMap<Referrer, ReferrerId>,
}

impl Counters {
    /// Bytes of a referrer, about: its host and its place in the table.
    const REFERRER_BYTES: usize = 96;

    /// The group of a site, an event type and a day.
    pub(super) fn group(&mut self, site_id: &str, event_type: &str, day: NaiveDate) -> GroupId {
        let key = GroupKey { site_id: self.texts.intern(site_id), event_type: self.texts.intern(event_type), day };
        let views = &mut self.views;
        *self.groups.entry(key).or_insert_with(|| {
            views.push(0);
            GroupId(as_u32(views.len() - 1))
        })
    }

    pub(super) fn count_view(&mut self, GroupId(group): GroupId) {
        self.views[group as usize] += 1;
    }

    pub(super) fn count_path(&mut self, group: GroupId, path: &str) {
        let path = self.texts.intern(path);
        *self.paths.entry((group, path)).or_default() += 1;
    }

    pub(super) fn count_user(&mut self, group: GroupId, user: Digest) {
        self.users.insert((group, user));
    }

    pub(super) fn count_referrer(&mut self, group: GroupId, referrer: Referrer) {
        let next = ReferrerId(as_u32(self.referrer_ids.len()));
        let id = *self.referrer_ids.entry(referrer).or_insert(next);
        *self.referrers.entry((group, id)).or_default() += 1;
    }

    /// Bytes that all of it takes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        self.texts.bytes()
            + self.groups.allocation_size()
            + self.views.len() * size_of::<u32>()
            + self.paths.allocation_size()
            + self.users.allocation_size()
            + self.referrers.allocation_size()
            + self.referrer_ids.len() * Self::REFERRER_BYTES
    }

    /// All of it, in the order of read models' keys.
    pub(super) fn sorted(&self) -> Sorted<'_> {
        let mut referrers = vec![&Referrer::None; self.referrer_ids.len()];
        for (referrer, ReferrerId(id)) in &self.referrer_ids {
            referrers[*id as usize] = referrer;
        }
        Sorted::of(
            (&self.texts, referrers),
            self.groups.iter().map(|(key, group)| (*key, *group, self.views[group.0 as usize])),
            self.paths.iter().map(|((group, path), views)| (*group, *path, *views)),
            self.users.iter().copied(),
            self.referrers.iter().map(|((group, referrer), views)| (*group, *referrer, *views)),
        )
    }
}

pub(super) fn as_u32(number: usize) -> u32 {
    u32::try_from(number).expect("a batch has fewer than 2^32 of anything")
}
