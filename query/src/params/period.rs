//! The UTC days of a report.

use chrono::{Datelike, Days, NaiveDate};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Pairs, ParamError};

/// The UTC days of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Period {
    AllTime,
    Day(NaiveDate),
    /// Both ends inclusive; `None` is an open end.
    Range {
        first: Option<NaiveDate>,
        last: Option<NaiveDate>,
    },
}

/// Days from the first to the last, both inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Bucket)]
pub(crate) struct DayRange {
    /// The first UTC day.
    #[schema(example = "2025-11-10")]
    pub(crate) first: NaiveDate,
    /// The last UTC day, inclusive.
    #[schema(example = "2025-11-16")]
    pub(crate) last: NaiveDate,
}

impl Period {
    /// The days before, which are as many.
    ///
    /// # Errors
    ///
    /// The period has an open end, or the days before begin before the year 0: these have no form in an answer.
    pub(super) fn previous(self) -> Result<DayRange, ParamError> {
        let Some((Some(first), Some(last))) = self.days() else { return Err(ParamError::NothingToCompare) };
        let before = DayRange { first, last }.before();
        before.filter(|before| before.first.year() >= 0).ok_or(ParamError::TooEarlyToCompare)
    }

    /// The parameters that ask for this period.
    pub(crate) fn pairs(self) -> Pairs {
        let (day, first, last) = match self {
            Self::AllTime => (None, None, None),
            Self::Day(day) => (Some(day), None, None),
            Self::Range { first, last } => (None, first, last),
        };
        let days = [("date", day), ("from", first), ("to", last)];
        days.into_iter().filter_map(|(name, day)| Some((name, day?.to_string()))).collect()
    }

    /// The day, if the period was asked for by `date`.
    pub(crate) fn day(self) -> Option<NaiveDate> {
        if let Self::Day(day) = self { Some(day) } else { None }
    }

    /// The first and the last day, unless the period is all time; `None` is an open end.
    pub(crate) fn days(self) -> Option<(Option<NaiveDate>, Option<NaiveDate>)> {
        match self {
            Self::AllTime => None,
            Self::Day(day) => Some((Some(day), Some(day))),
            Self::Range { first, last } => Some((first, last)),
        }
    }

    /// Whether the period has more than so many days, or an open end.
    pub(crate) fn is_longer_than(self, days: i64) -> bool {
        self.days().is_some_and(|ends| match ends {
            (Some(first), Some(last)) => (last - first).num_days() >= days,
            _ => true,
        })
    }

    /// The last day; `None` if that end is open.
    pub(crate) fn last(self) -> Option<NaiveDate> {
        self.days().and_then(|(_, last)| last)
    }
}

impl DayRange {
    /// A range of so many days, up to `last`.
    pub(crate) fn ending(last: NaiveDate, days: u64) -> Self {
        Self { first: last - Days::new(days - 1), last }
    }

    /// The number of days; 0 if the range is backwards.
    pub(crate) fn days(self) -> u64 {
        let between = self.last.signed_duration_since(self.first).num_days();
        u64::try_from(between + 1).unwrap_or_default()
    }

    pub(crate) fn contains(self, day: NaiveDate) -> bool {
        (self.first..=self.last).contains(&day)
    }

    /// The days before, which are as many; `None` where the calendar ends.
    fn before(self) -> Option<Self> {
        let first = self.first.checked_sub_days(Days::new(self.days()))?;
        Some(Self { first, last: self.first.pred_opt()? })
    }
}

impl From<DayRange> for Period {
    fn from(DayRange { first, last }: DayRange) -> Self {
        Self::Range { first: Some(first), last: Some(last) }
    }
}
