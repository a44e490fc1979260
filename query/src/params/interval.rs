//! Days, weeks and months of the calendar.

use chrono::{Datelike, Days, Months, NaiveDate};
use serde::Serialize;
use utoipa::ToSchema;

use super::{DayRange, ParamError};

/// The length of the buckets of a time series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Interval {
    Day,
    /// Monday to Sunday, as in ISO 8601.
    Week,
    Month,
}

/// The buckets of a range of days, in order. The first and the last one are cut to the range.
#[derive(Debug)]
pub(crate) struct Buckets {
    interval: Interval,
    next: NaiveDate,
    last: NaiveDate,
}

impl Interval {
    pub(super) fn parse(text: &str) -> Result<Self, ParamError> {
        let intervals = [Self::Day, Self::Week, Self::Month];
        intervals.into_iter().find(|interval| interval.name() == text).ok_or(ParamError::Interval)
    }

    /// The name in parameters and answers, and in `date_trunc` of Postgres.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// The buckets of a range of days.
    pub(crate) fn buckets(self, days: DayRange) -> Buckets {
        Buckets { interval: self, next: days.first, last: days.last }
    }

    /// The last day of the bucket that has a day.
    fn last_day(self, day: NaiveDate) -> NaiveDate {
        let last = match self {
            Self::Day => Some(day),
            Self::Week => day.checked_add_days(Days::new(u64::from(6 - day.weekday().num_days_from_monday()))),
            Self::Month => (day.checked_add_months(Months::new(1)))
                .and_then(|next| next.with_day(1))
                .and_then(|next| next.pred_opt()),
        };
        last.expect("days of requests have years of four digits")
    }
}

impl Iterator for Buckets {
    type Item = DayRange;

    fn next(&mut self) -> Option<DayRange> {
        let first = self.next;
        if first > self.last {
            return None;
        }
        let last = self.interval.last_day(first).min(self.last);
        self.next = last.succ_opt().expect("days of requests have years of four digits");
        Some(DayRange { first, last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(interval: &str, first: &str, last: &str) -> Vec<String> {
        let day = |text: &str| text.parse().expect("a day");
        let interval = Interval::parse(interval).expect("an interval");
        interval
            .buckets(DayRange { first: day(first), last: day(last) })
            .map(|bucket| format!("{}..{}", bucket.first, bucket.last))
            .collect()
    }

    #[test]
    fn days_are_by_themselves() {
        let days = ["2024-02-28..2024-02-28", "2024-02-29..2024-02-29", "2024-03-01..2024-03-01"];
        assert_eq!(buckets("day", "2024-02-28", "2024-03-01"), days);
        assert_eq!(buckets("day", "0000-01-01", "0000-01-01"), ["0000-01-01..0000-01-01"]);
    }

    #[test]
    fn weeks_begin_on_monday_and_do_not_end_with_the_year() {
        let weeks = ["2024-12-28..2024-12-29", "2024-12-30..2025-01-05", "2025-01-06..2025-01-06"];
        assert_eq!(buckets("week", "2024-12-28", "2025-01-06"), weeks);
        assert_eq!(buckets("week", "2025-01-06", "2025-01-12"), ["2025-01-06..2025-01-12"]);
        assert_eq!(buckets("week", "9999-12-30", "9999-12-31"), ["9999-12-30..9999-12-31"]);
    }

    #[test]
    fn months_are_as_long_as_they_are() {
        let months = ["2024-01-31..2024-01-31", "2024-02-01..2024-02-29", "2024-03-01..2024-03-01"];
        assert_eq!(buckets("month", "2024-01-31", "2024-03-01"), months);
        assert_eq!(buckets("month", "9999-12-01", "9999-12-31"), ["9999-12-01..9999-12-31"]);
    }

    #[test]
    fn an_interval_has_a_name() {
        for text in ["", "Day", "hour", "days", "day "] {
            assert_eq!(Interval::parse(text), Err(ParamError::Interval));
        }
    }
}
