//! What was acknowledged, to the event.

use std::collections::{BTreeMap, BTreeSet};

use crate::chaos::clients::visit::{Place, Visit};

/// A sketch of a few thousand users is exact but for two digests that fall together: one or two in a lifetime.
pub(in crate::chaos) const USERS_ERROR_MAX: u64 = 2;

/// Acknowledged events by place, their users, and messages that cannot be read. Memory depends on the number of places and
/// users only: some 8,000 places and 300,000 entries of users, 40 MB, however long the run is.
#[derive(Debug, Default)]
pub(in crate::chaos) struct Account {
    /// All events.
    pub(in crate::chaos) events: u64,
    /// Events with an id, by place.
    pub(in crate::chaos) views: BTreeMap<Place, u64>,
    /// Events without an id, by place.
    pub(in crate::chaos) plain: BTreeMap<Place, Bounds>,
    /// Events of the hostile site.
    pub(in crate::chaos) hostile: u64,
    /// Poison in the log, as it lies there.
    pub(in crate::chaos) poison: BTreeSet<Vec<u8>>,
    users: BTreeMap<Series, BTreeSet<u32>>,
}

/// How often something may be counted.
#[derive(Debug, Default, Clone, Copy)]
pub(in crate::chaos) struct Bounds {
    /// As it was acknowledged.
    pub(in crate::chaos) least: u64,
    /// Events that were sent without an answer and not sent again.
    pub(in crate::chaos) most: u64,
}

/// Site and event type, and the day where it is not all of them.
pub(in crate::chaos) type Series = (String, &'static str, Option<&'static str>);

impl Account {
    /// Takes in an event that was acknowledged for the first time.
    pub(in crate::chaos) fn add(&mut self, visit: &Visit) {
        self.events += 1;
        *self.views.entry(visit.place.clone()).or_default() += 1;
        let (site_id, event_type) = (&visit.place.site_id, visit.place.event_type);
        for day in [None, Some(visit.place.day)] {
            self.users.entry((site_id.clone(), event_type, day)).or_default().extend(visit.user);
        }
    }

    /// Takes in an event without an id.
    pub(in crate::chaos) fn add_plain(&mut self, place: Place, is_acknowledged: bool) {
        let acknowledged = u64::from(is_acknowledged);
        self.events += acknowledged;
        let bounds = self.plain.entry(place).or_default();
        bounds.least += acknowledged;
        bounds.most += 1;
    }

    /// What each place may count to.
    pub(in crate::chaos) fn places(&self) -> impl Iterator<Item = (&Place, Bounds)> {
        let views = self.views.iter().map(|(place, views)| (place, Bounds::exactly(*views)));
        views.chain(self.plain.iter().map(|(place, bounds)| (place, *bounds)))
    }

    /// What all events without an id together may count to.
    pub(in crate::chaos) fn plain_bounds(&self) -> Bounds {
        let mut sum = Bounds::default();
        for bounds in self.plain.values() {
            sum.add(*bounds);
        }
        sum
    }

    /// What a report of each series must say: views by path, and users.
    pub(in crate::chaos) fn reports(&self) -> BTreeMap<Series, (BTreeMap<String, u64>, u64)> {
        let mut reports = BTreeMap::<Series, (BTreeMap<String, u64>, u64)>::new();
        for (place, views) in &self.views {
            for day in [None, Some(place.day)] {
                let series = (place.site_id.clone(), place.event_type, day);
                let users = self.users.get(&series).map_or(0, |users| users.len() as u64);
                let report = reports.entry(series).or_default();
                *report.0.entry(place.path.clone()).or_default() += views;
                report.1 = users;
            }
        }
        reports
    }
}

impl Bounds {
    /// No doubt.
    pub(in crate::chaos) fn exactly(times: u64) -> Self {
        Self { least: times, most: times }
    }

    /// Both together.
    pub(in crate::chaos) fn add(&mut self, other: Self) {
        self.least += other.least;
        self.most += other.most;
    }
}
