//! What is added to, one by one: a site and event type, on a day or on all days together.

use chrono::NaiveDate;
use fold::{Counts, Sorted};

/// What a batch adds there.
#[derive(Debug, Clone)]
pub(super) struct Group<'a> {
    pub(super) site_id: &'a str,
    pub(super) event_type: &'a str,
    /// Day; none is all days.
    pub(super) day: Option<NaiveDate>,
    pub(super) counts: Counts<'a>,
}

/// One value for days and one for all days: they lie in different tables.
#[derive(Debug, Default)]
pub(super) struct Grains<T> {
    pub(super) daily: T,
    pub(super) total: T,
}

/// Columns that say what rows are about, as statements take them.
#[derive(Debug, Default)]
pub(super) struct Keys<'a> {
    pub(super) site_id: Vec<&'a str>,
    pub(super) event_type: Vec<&'a str>,
    /// Without rows where they are about all days.
    pub(super) day: Vec<NaiveDate>,
}

/// Everything that is added, in the order of keys; days come first. What is added to all days may have other names.
pub(super) fn groups<'a>(daily: &'a Sorted, total: &'a Sorted) -> Vec<Group<'a>> {
    let daily =
        daily.daily().map(|(site_id, event_type, day, counts)| Group { site_id, event_type, day: Some(day), counts });
    let total = total.total().map(|(site_id, event_type, counts)| Group { site_id, event_type, day: None, counts });
    daily.chain(total).collect()
}

impl<T> Grains<T> {
    /// Where a group belongs.
    pub(super) fn of(&mut self, group: &Group<'_>) -> &mut T {
        if group.day.is_some() { &mut self.daily } else { &mut self.total }
    }
}

impl<'a> Keys<'a> {
    pub(super) fn push(&mut self, group: &Group<'a>) {
        self.site_id.push(group.site_id);
        self.event_type.push(group.event_type);
        self.day.extend(group.day);
    }
}
