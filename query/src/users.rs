//! The users of several days or partitions, each counted once.
//!
//! A sketch estimates. Together with what is known of its parts the answer stays plausible: several sets have at least
//! as many members as the largest of them, and at most as many as all of them together.

use chrono::NaiveDate;
use contract::Sketch;
use contract::sketch::KeysDiffer;

/// Users of a period, taken in day by day.
#[derive(Debug, Default)]
pub(crate) struct Users {
    /// Days that are complete.
    period: Union,
    /// The partitions of the day that is being taken in. All time is one day without a date.
    day: Union,
    date: Option<NaiveDate>,
}

/// Sets of which the members are wanted once.
#[derive(Debug, Default)]
struct Union {
    sketch: Option<Sketch>,
    largest: u64,
    sum: u64,
}

impl Users {
    /// Takes in one partition's users of a day and what their sketch counts to. Days come in order.
    ///
    /// # Errors
    ///
    /// The sketch was made under another key than those before it.
    pub(crate) fn add(&mut self, date: Option<NaiveDate>, users: u64, sketch: Sketch) -> Result<(), KeysDiffer> {
        if date != self.date {
            self.end_day()?;
            self.date = date;
        }
        self.day.add(users, sketch)
    }

    /// How many there are.
    ///
    /// # Errors
    ///
    /// The sketches of the last two days were made under different keys.
    pub(crate) fn count(mut self) -> Result<u64, KeysDiffer> {
        self.end_day()?;
        Ok(self.period.end().map_or(0, |(users, _)| users))
    }

    fn end_day(&mut self) -> Result<(), KeysDiffer> {
        match std::mem::take(&mut self.day).end() {
            Some((users, sketch)) => self.period.add(users, sketch),
            None => Ok(()),
        }
    }
}

impl Union {
    fn add(&mut self, users: u64, sketch: Sketch) -> Result<(), KeysDiffer> {
        match &mut self.sketch {
            None => self.sketch = Some(sketch),
            Some(merged) => merged.merge(&sketch)?,
        }
        self.largest = self.largest.max(users);
        self.sum += users;
        Ok(())
    }

    /// What all sets together count to, and their sketch.
    fn end(self) -> Option<(u64, Sketch)> {
        let mut sketch = self.sketch?;
        // A single set, or all others empty: its number is known and need not be estimated again.
        let users = if self.largest == self.sum { self.sum } else { sketch.seal().users.clamp(self.largest, self.sum) };
        Some((users, sketch))
    }
}

#[cfg(test)]
mod tests {
    use contract::{SketchKey, UserId};

    use super::*;

    fn sketch(users: std::ops::Range<u32>) -> (u64, Sketch) {
        let key = SketchKey::for_development();
        let mut sketch = Sketch::new(key.id());
        for user in users {
            sketch.insert(key.digest(&UserId::try_from(user.to_string()).expect("a user")));
        }
        (sketch.seal().users, sketch)
    }

    fn date(day: u32) -> Option<NaiveDate> {
        NaiveDate::from_ymd_opt(2025, 11, day)
    }

    fn count(parts: impl IntoIterator<Item = (Option<NaiveDate>, (u64, Sketch))>) -> u64 {
        let mut users = Users::default();
        for (date, (count, sketch)) in parts {
            users.add(date, count, sketch).expect("one key");
        }
        users.count().expect("one key")
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
        assert_eq!(count([(date(1), (20, small.clone())), (date(2), (3, small))]), 20);
    }

    #[test]
    fn a_period_has_at_most_the_users_of_all_its_days() {
        let (_, large) = sketch(0..100);
        assert_eq!(count([(date(1), (20, large.clone())), (date(2), (3, large))]), 23);
    }

    #[test]
    fn a_day_counts_what_its_partitions_have_together() {
        // Two partitions with the same 100 users: the day has 100, so the range has at most 100 + 5.
        let parts = [(date(1), sketch(0..100)), (date(1), sketch(0..100)), (date(2), (5, sketch(100..200).1))];
        assert_eq!(count(parts), 105);
    }

    #[test]
    fn sketches_of_different_keys_are_not_mixed() {
        let other = Sketch::new(SketchKey::from_bytes([7; 16]).id());
        let mut users = Users::default();
        users.add(date(1), 5, sketch(0..5).1).expect("the first");
        users.add(date(2), 0, other).expect("merged when its day ends");
        assert!(users.count().is_err());
    }
}
