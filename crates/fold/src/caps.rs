//! How many names a site may bring: event types, paths, hosts, and months of the far past.
//!
//! Each name is a row of read models for good, and a client with a key can invent one an event. So the first names of a site
//! have rows of their own, in the order of the log, and all further ones share one that is called `(other)`. A name that has
//! a row has it from its first event on, so its numbers are never in part; sums over all rows are exact. The decision is a
//! function of the log: batches, restarts and rebuilds do not show.
//!
//! A day has no row for other days. Events of a site's further months before 2020 count for all time and on no day.

use std::borrow::Cow;
use std::collections::HashSet;

use chrono::{Datelike, NaiveDate};
use contract::field::OTHER;

use crate::dimension::{self, Dimension, NameCaps};

/// The day before which the past is far: a site's import of older days is bounded, all days since then come one by one.
const FAR_PAST_END: NaiveDate = NaiveDate::from_ymd_opt(2020, 1, 1).expect("a day");

/// How many of each a site may bring before further ones are counted as `(other)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Event types.
    pub types: u64,
    /// Months before 2020.
    pub far_months: u64,
    /// Names of each dimension.
    pub names: [NameCaps; Dimension::ALL.len()],
}

impl Caps {
    /// Caps of the fifth version of the fold. Others need another version.
    pub(crate) fn fold_5() -> Self {
        // With `(other)`, types are the 1,000 that a list of them has. Months are those of twenty years, 2000 to 2019: a site's
        // whole history may be imported.
        Self { types: 999, far_months: 240, names: Dimension::ALL.map(Dimension::caps) }
    }
}

/// A site, an event type and a day; none is all days.
pub type Place<'a> = (&'a str, &'a str, Option<NaiveDate>);

/// Names that are counted as `(other)`, and months whose days are not counted.
#[derive(Debug, Default)]
pub struct Others<'a> {
    /// Whether names are those of all days.
    pub of_all_days: bool,
    /// Event types, each of a site.
    pub types: HashSet<(&'a str, &'a str)>,
    /// Months of the far past, each of a site.
    pub far_months: HashSet<(&'a str, i32)>,
    /// Names of each dimension.
    pub names: [HashSet<(Place<'a>, &'a str)>; Dimension::ALL.len()],
}

impl Others<'_> {
    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        let Self { types, far_months, names, .. } = self;
        types.is_empty() && far_months.is_empty() && names.iter().all(HashSet::is_empty)
    }

    pub(super) fn event_type<'b>(&self, site_id: &str, event_type: &'b str) -> &'b str {
        if self.types.contains(&(site_id, event_type)) { OTHER } else { event_type }
    }

    pub(super) fn is_undated(&self, site_id: &str, day: NaiveDate) -> bool {
        far_month(day).is_some_and(|month| self.far_months.contains(&(site_id, month)))
    }

    pub(super) fn name<'b>(&self, dimension: Dimension, place: Place<'_>, name: &'b str) -> Cow<'b, str> {
        let is_other = self.names[dimension as usize].contains(&(self.place(place), name));
        if is_other { dimension::other(name).into() } else { name.into() }
    }

    fn place<'b>(&self, (site_id, event_type, day): Place<'b>) -> Place<'b> {
        (site_id, event_type, day.filter(|_| !self.of_all_days))
    }
}

/// A day's month, counted from the year 0, if it is of the far past.
pub fn far_month(day: NaiveDate) -> Option<i32> {
    (day < FAR_PAST_END).then(|| day.year() * 12 + day.month0().cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_far_past_ends_with_2019() {
        let day = |text: &str| text.parse::<NaiveDate>().expect("a day");
        assert_eq!(far_month(day("2020-01-01")), None);
        assert_eq!(far_month(day("2019-12-31")), Some(2019 * 12 + 11));
        assert_eq!(far_month(day("0000-01-01")), Some(0));
        assert_eq!(far_month(day("2000-02-01")), far_month(day("2000-02-29")));
    }
}
