//! Days, weeks and months of the calendar, cut to a range of days.

use chrono::{Datelike, Days, Months, NaiveDate};
use serde::Serialize;
use utoipa::ToSchema;

use crate::request::InvalidRequest;

/// Of which length the buckets of a time series are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Interval {
    Day,
    /// From Monday to Sunday, as ISO 8601 has it.
    Week,
    Month,
}

/// The days of a bucket. The first and the last one of a time series may be cut by the days that were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Bucket {
    /// Its first UTC day.
    #[schema(example = "2025-11-10")]
    pub(crate) first: NaiveDate,
    /// Its last UTC day, inclusive.
    #[schema(example = "2025-11-16")]
    pub(crate) last: NaiveDate,
}

/// Buckets, in their order.
#[derive(Debug)]
pub(crate) struct Buckets {
    interval: Interval,
    next: NaiveDate,
    last: NaiveDate,
}

impl Interval {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidRequest> {
        let intervals = [Self::Day, Self::Week, Self::Month];
        intervals.into_iter().find(|interval| interval.name() == text).ok_or(InvalidRequest::Interval)
    }

    /// As Postgres calls it, too.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// All buckets between two days, both included.
    pub(super) fn buckets(self, first: NaiveDate, last: NaiveDate) -> Buckets {
        Buckets { interval: self, next: first, last }
    }

    /// The last day of the one in which a day is.
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
    type Item = Bucket;

    fn next(&mut self) -> Option<Bucket> {
        let first = self.next;
        if first > self.last {
            return None;
        }
        let last = self.interval.last_day(first).min(self.last);
        self.next = last.succ_opt().expect("days of requests have years of four digits");
        Some(Bucket { first, last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(interval: &str, first: &str, last: &str) -> Vec<String> {
        let day = |text: &str| text.parse().expect("a day");
        let interval = Interval::parse(interval).expect("an interval");
        interval.buckets(day(first), day(last)).map(|bucket| format!("{}..{}", bucket.first, bucket.last)).collect()
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
            assert_eq!(Interval::parse(text), Err(InvalidRequest::Interval));
        }
    }
}
