//! Distinct users of several days or partitions.

use chrono::NaiveDate;
use contract::sketch::{Bounds, Count, Members, NotAdded};

use crate::reports::error::{ReportError, count};

/// The stored bounds of the users of a month.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredBounds {
    pub(crate) least: i64,
    pub(crate) most: i64,
    pub(crate) low: i64,
    pub(crate) high: i64,
}

impl TryFrom<StoredBounds> for Bounds {
    type Error = ReportError;

    fn try_from(StoredBounds { least, most, low, high }: StoredBounds) -> Result<Self, ReportError> {
        Ok(Self { least: count(least)?, most: count(most)?, low: count(low)?, high: count(high)? })
    }
}

/// Distinct users of a period, added day by day.
#[derive(Debug, Default)]
pub(crate) struct UniqueUsers {
    /// The users of the days before.
    period: Members,
    /// The partitions of the current day, with their stored sketches. All time is one day without a date.
    day: Vec<(Bounds, Vec<u8>)>,
    date: Option<NaiveDate>,
}

impl UniqueUsers {
    /// Adds the users of one partition on a day, or of a month under its first day: the bounds of their number, and their stored
    /// sketch. Days come in order.
    ///
    /// # Errors
    ///
    /// A sketch of the day before is damaged, or was made under another key than those before it.
    pub(crate) fn add(
        &mut self,
        date: Option<NaiveDate>,
        users: impl Into<Bounds>,
        sketch: Vec<u8>,
    ) -> Result<(), NotAdded> {
        if date != self.date {
            self.end_day()?;
            self.date = date;
        }
        self.day.push((users.into(), sketch));
        Ok(())
    }

    /// The number of distinct users.
    pub(crate) fn count(mut self) -> Result<Count, NotAdded> {
        self.end_day()?;
        Ok(self.period.end()?.map_or_else(Count::default, |(users, _)| users))
    }

    fn end_day(&mut self) -> Result<(), NotAdded> {
        let mut partitions = std::mem::take(&mut self.day);
        if partitions.len() > 1 {
            let mut day = Members::default();
            for (users, sketch) in partitions.drain(..) {
                day.add(users, &sketch)?;
            }
            partitions.extend(day.end()?.map(|(users, sketch)| (users.into(), sketch)));
        }
        partitions.into_iter().try_for_each(|(users, sketch)| self.period.add(users, &sketch))
    }
}

#[cfg(test)]
mod tests {
    use contract::sketch::Accuracy;
    use contract::{Sketch, SketchKey, UserId};

    use super::*;

    fn sketch(users: std::ops::Range<u32>) -> (Count, Vec<u8>) {
        let key = SketchKey::for_development();
        let mut sketch = Sketch::new(key.id());
        for user in users {
            sketch.insert(key.digest(&UserId::try_from(user.to_string()).expect("a user")));
        }
        let sealed = sketch.seal();
        (Count::new(sealed.users, sealed.accuracy), sealed.bytes)
    }

    /// A number that a sketch might have.
    fn listed(users: u64) -> Count {
        Count::new(users, Accuracy::Listed)
    }

    fn date(day: u32) -> Option<NaiveDate> {
        NaiveDate::from_ymd_opt(2025, 11, day)
    }

    fn estimate(parts: impl IntoIterator<Item = (Option<NaiveDate>, (Count, Vec<u8>))>) -> Count {
        let mut users = UniqueUsers::default();
        for (date, (count, sketch)) in parts {
            users.add(date, count, sketch).expect("one key");
        }
        users.count().expect("one key")
    }

    fn count(parts: impl IntoIterator<Item = (Option<NaiveDate>, (Count, Vec<u8>))>) -> u64 {
        estimate(parts).users
    }

    #[test]
    fn a_user_is_counted_once() {
        assert_eq!(count([]), 0);
        assert_eq!(count([(date(1), sketch(0..100)), (date(2), sketch(50..150))]), 150);
        assert_eq!(count([(date(1), sketch(0..60)), (date(1), sketch(50..100)), (date(2), sketch(0..10))]), 100);
        assert_eq!(count([(None, sketch(0..60)), (None, sketch(50..100))]), 100);
    }

    #[test]
    fn a_period_has_at_least_the_users_of_its_largest_day() {
        let (_, small) = sketch(0..10);
        assert_eq!(count([(date(1), (listed(3), small.clone())), (date(2), (listed(20), small))]), 20);
    }

    #[test]
    fn a_period_has_at_most_the_users_of_all_its_days() {
        let (_, large) = sketch(0..100);
        assert_eq!(count([(date(1), (listed(20), large.clone())), (date(2), (listed(3), large))]), 23);
    }

    #[test]
    fn a_day_counts_what_its_partitions_have_together() {
        // Two partitions with the same 100 users: the day has 100, so the range has at most 100 + 5.
        let parts = [(date(1), sketch(0..100)), (date(1), sketch(0..100)), (date(2), (listed(5), sketch(100..200).1))];
        assert_eq!(count(parts), 105);
    }

    #[test]
    fn sketches_of_different_keys_are_not_mixed() {
        let other = Sketch::new(SketchKey::from_bytes([7; 16]).id()).seal().bytes;
        let mut users = UniqueUsers::default();
        users.add(date(1), listed(5), sketch(0..5).1).expect("the first");
        users.add(date(2), listed(0), other).expect("merged when its day ends");
        assert!(users.count().is_err());
    }

    #[test]
    fn an_estimate_has_bounds_and_a_list_has_none() {
        let bounds = |count: Count| (count.low, count.users, count.high);
        assert_eq!(bounds(Count::new(48_210, Accuracy::Estimated)), (47_445, 48_210, 48_975));
        assert_eq!(bounds(Count::new(0, Accuracy::Estimated)), (0, 0, 0));
        assert_eq!(bounds(listed(5_000)), (5_000, 5_000, 5_000));
        assert_eq!(estimate([]), listed(0));
    }

    #[test]
    fn a_period_is_estimated_when_its_days_are_too_many_for_a_list() {
        let accuracy = |parts: Vec<_>| estimate(parts).accuracy;
        assert_eq!(accuracy(vec![(date(1), sketch(0..2_000)), (date(2), sketch(1_000..3_000))]), Accuracy::Listed);
        assert_eq!(accuracy(vec![(date(1), sketch(0..4_000)), (date(2), sketch(3_000..7_000))]), Accuracy::Estimated);
        // Nothing has to be estimated anew where only one of them has users.
        assert_eq!(accuracy(vec![(date(1), sketch(0..7_000)), (date(2), sketch(0..0))]), Accuracy::Estimated);
        assert_eq!(accuracy(vec![(date(1), sketch(0..0)), (date(2), sketch(0..10))]), Accuracy::Listed);
    }

    #[test]
    fn bounds_of_a_period_are_not_beyond_those_of_its_days() {
        let (_, half) = sketch(0..4_000);
        let (_, other_half) = sketch(4_000..8_000);
        let bounds = |left: Count, right: Count| {
            let count = estimate([(date(1), (left, half.clone())), (date(2), (right, other_half.clone()))]);
            assert!(count.low <= count.users && count.users <= count.high, "{count:?}");
            (count.low, count.high)
        };
        // Listed days are known: together they cannot have more, and none can have more than all.
        assert_eq!(bounds(listed(4_000), listed(3_500)).1, 7_500);
        assert_eq!(bounds(listed(9_000), listed(10)).0, 9_000);
        // Estimated ones are not: the truth may be beyond their numbers, as far as that of each may be.
        let estimated = |users| Count::new(users, Accuracy::Estimated);
        assert_eq!(bounds(estimated(4_000), estimated(3_500)).1, 7_619);
        assert_eq!(bounds(estimated(9_000), estimated(10)).0, 8_857);
    }
}
