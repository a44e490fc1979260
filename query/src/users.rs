//! The users of several days or partitions, each counted once.
//!
//! A sketch estimates. Together with what is known of its parts the answer stays plausible: several sets have at least
//! as many members as the largest of them, and at most as many as all of them together.

use chrono::NaiveDate;
use contract::Sketch;
use contract::sketch::{Accuracy, NotAdded, RELATIVE_STD_ERROR, Union};

/// How sure it is that the truth is between the bounds of an estimate.
pub(crate) const INTERVAL_CONFIDENCE: f64 = 0.95;

/// Standard errors to either side that give that confidence.
const INTERVAL_STD_ERRORS: f64 = 1.96;

/// How many users there are, and how sure that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) users: u64,
    pub(crate) accuracy: Accuracy,
    /// Between `low` and `high` is the truth, if it is estimated; if not, both are `users`.
    pub(crate) low: u64,
    pub(crate) high: u64,
}

/// Users of a period, taken in day by day.
#[derive(Debug, Default)]
pub(crate) struct Users {
    /// Days that are complete.
    period: Members,
    /// The partitions of the day that is being taken in, with their stored sketches. All time is one day without a date.
    day: Vec<(Count, Vec<u8>)>,
    date: Option<NaiveDate>,
}

/// Sets of which the members are wanted once.
#[derive(Debug, Default)]
struct Members {
    union: Union,
    largest: Count,
    sum: u64,
    /// The truth is at least what the lowest end of any set says, and at most what all highest ends say together.
    low: u64,
    high: u64,
}

impl Count {
    pub(crate) fn new(users: u64, accuracy: Accuracy) -> Self {
        let margin = match accuracy {
            Accuracy::Listed => 0,
            Accuracy::Estimated => margin(users),
        };
        Self { users, accuracy, low: users.saturating_sub(margin), high: users.saturating_add(margin) }
    }
}

impl Default for Count {
    /// Nobody, for sure.
    fn default() -> Self {
        Self::new(0, Accuracy::Listed)
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "users are far fewer than 2^53, and none is the least"
)]
fn margin(users: u64) -> u64 {
    (INTERVAL_STD_ERRORS * RELATIVE_STD_ERROR * users as f64).round() as u64
}

impl Users {
    /// Takes in one partition's users of a day: what their stored sketch counts to, and the sketch. Days come in order.
    ///
    /// # Errors
    ///
    /// A sketch of the day before is damaged, or was made under another key than those before it.
    pub(crate) fn add(&mut self, date: Option<NaiveDate>, users: Count, sketch: Vec<u8>) -> Result<(), NotAdded> {
        if date != self.date {
            self.end_day()?;
            self.date = date;
        }
        self.day.push((users, sketch));
        Ok(())
    }

    /// How many there are.
    ///
    /// # Errors
    ///
    /// The same of any of the days.
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
            partitions.extend(day.end()?.map(|(users, mut sketch)| (users, sketch.seal().bytes)));
        }
        partitions.into_iter().try_for_each(|(users, sketch)| self.period.add(users, &sketch))
    }
}

impl Members {
    fn add(&mut self, users: Count, sketch: &[u8]) -> Result<(), NotAdded> {
        self.union.add(sketch)?;
        if users.users > self.largest.users {
            self.largest = users;
        }
        self.sum += users.users;
        self.low = self.low.max(users.low);
        self.high = self.high.saturating_add(users.high);
        Ok(())
    }

    /// What all sets together count to, and their sketch.
    fn end(self) -> Result<Option<(Count, Sketch)>, NotAdded> {
        let Some(mut sketch) = self.union.into_sketch()? else { return Ok(None) };
        // A single set, or all others empty: its number is known and need not be estimated again.
        if self.largest.users == self.sum {
            return Ok(Some((self.largest, sketch)));
        }
        let sealed = sketch.seal();
        let count = Count::new(sealed.users.clamp(self.largest.users, self.sum), sealed.accuracy);
        let count = Count { low: count.low.max(self.low), high: count.high.min(self.high), ..count };
        Ok(Some((count, sketch)))
    }
}

#[cfg(test)]
mod tests {
    use contract::{SketchKey, UserId};

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

    /// What a sketch might have counted to.
    fn listed(users: u64) -> Count {
        Count::new(users, Accuracy::Listed)
    }

    fn date(day: u32) -> Option<NaiveDate> {
        NaiveDate::from_ymd_opt(2025, 11, day)
    }

    fn estimate(parts: impl IntoIterator<Item = (Option<NaiveDate>, (Count, Vec<u8>))>) -> Count {
        let mut users = Users::default();
        for (date, (count, sketch)) in parts {
            users.add(date, count, sketch).expect("one key");
        }
        users.count().expect("one key")
    }

    fn count(parts: impl IntoIterator<Item = (Option<NaiveDate>, (Count, Vec<u8>))>) -> u64 {
        estimate(parts).users
    }

    #[test]
    fn nobody_is_counted_twice() {
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
        let mut users = Users::default();
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
