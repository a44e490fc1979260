//! Ranges of days by name, and the days and bars of a trend.

use chrono::NaiveDate;

use crate::params::{DayRange, Interval};

/// Days of the longest range: ten years, which are 121 bars of a month.
pub(super) const DAYS_MAX: u64 = 3_660;

/// Longer ranges are shown by week: more bars than the days of a quarter are too narrow on a phone.
const DAILY_DAYS_MAX: u64 = 92;

/// Longer ranges are shown by month: a year is 54 weeks at most, two of which are cut.
const WEEKLY_DAYS_MAX: u64 = 366;

/// Days of the trend of a single day, with that day: one bar alone shows no trend.
const CONTEXT_DAYS: u64 = 14;

/// A range of days with a name, which ends today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Range {
    Today,
    Week,
    Month,
    Quarter,
    Year,
}

impl Range {
    pub(super) const ALL: [Self; 5] = [Self::Today, Self::Week, Self::Month, Self::Quarter, Self::Year];

    /// The name in an address.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Today => "today",
            Self::Week => "7d",
            Self::Month => "30d",
            Self::Quarter => "90d",
            Self::Year => "365d",
        }
    }

    /// The name on the page.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Today => "Today",
            Self::Week => "7 days",
            Self::Month => "30 days",
            Self::Quarter => "90 days",
            Self::Year => "Year",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|range| range.name() == name)
    }

    /// The days of the range if it ends `today`.
    pub(super) fn until(self, today: NaiveDate) -> DayRange {
        DayRange::ending(today, self.days())
    }

    fn days(self) -> u64 {
        match self {
            Self::Today => 1,
            Self::Week => 7,
            Self::Month => 30,
            Self::Quarter => 90,
            Self::Year => 365,
        }
    }
}

/// The days of a page's trend: a single day stands among those before it.
pub(super) fn of_trend(days: DayRange) -> DayRange {
    if days.days() == 1 { DayRange::ending(days.last, CONTEXT_DAYS) } else { days }
}

/// The length of the bars of a trend.
pub(super) fn interval(days: DayRange) -> Interval {
    match days.days() {
        days if days <= DAILY_DAYS_MAX => Interval::Day,
        days if days <= WEEKLY_DAYS_MAX => Interval::Week,
        _ => Interval::Month,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    #[test]
    fn ranges_end_today_and_have_as_many_days_as_they_say() {
        let today = day("2025-11-12");
        for (range, first, days) in [
            (Range::Today, "2025-11-12", 1),
            (Range::Week, "2025-11-06", 7),
            (Range::Month, "2025-10-14", 30),
            (Range::Quarter, "2025-08-15", 90),
            (Range::Year, "2024-11-13", 365),
        ] {
            let period = range.until(today);
            assert_eq!((period.first, period.last, period.days()), (day(first), today, days));
            assert_eq!(Range::named(range.name()), Some(range));
        }
        assert_eq!(Range::named("31d"), None);
    }

    #[test]
    fn a_trend_has_bars_that_can_be_told_apart() {
        for (days, interval, bars_max) in [
            (1, Interval::Day, 1),
            (92, Interval::Day, 92),
            (93, Interval::Week, 15),
            (366, Interval::Week, 54),
            (367, Interval::Month, 14),
            (DAYS_MAX, Interval::Month, 122),
        ] {
            let period = DayRange::ending(day("2025-11-12"), days);
            assert_eq!(super::interval(period), interval, "{days}: {bars_max}");
        }
    }

    #[test]
    fn a_single_day_stands_among_those_before_it() {
        let single = Range::Today.until(day("2025-11-12"));
        assert_eq!(of_trend(single), DayRange { first: day("2025-10-30"), last: day("2025-11-12") });
        let week = Range::Week.until(day("2025-11-12"));
        assert_eq!(of_trend(week), week);
    }
}
