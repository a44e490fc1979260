//! A report on many days, from what months that are over were summed up to, and the days before and after these.

use chrono::{Datelike, Months, NaiveDate};
use contract::sketch::{Accuracy, Count};
use futures_util::TryStreamExt;
use sqlx::PgConnection;

use super::rows::Reading;
use super::top_k::Place;
use crate::params::{Period, StatsRequest};
use crate::reports::error::{ReportError, count};
use crate::reports::snapshot_version::Version;
use crate::reports::unique_users;

/// A row of `months.sql`: the state of the generation with the views of all whole months, or the views or users of a day,
/// or both of a month under its first day.
struct Row {
    generation_id: Option<i32>,
    checkpoints: Option<String>,
    today: Option<NaiveDate>,
    date: Option<NaiveDate>,
    partition_id: Option<i32>,
    views: Option<i64>,
    top_paths: Option<String>,
    users_least: Option<i64>,
    users_most: Option<i64>,
    users_low: Option<i64>,
    users_high: Option<i64>,
    sketch: Option<Vec<u8>>,
}

/// What the rows so far say.
#[derive(Default)]
struct Summed {
    reading: Reading,
    /// Views that the days of the months have now, and that their summaries were made of.
    now: u64,
    then: u64,
    partition_id: Option<i32>,
    /// Partitions were added, and several have the site: each of its days has to be put together first.
    is_split: bool,
}

/// Reads it; none where it takes the days one by one: there is no whole month, or not all of them are summed up as they are
/// now. Whether the first paths follow from it is left open.
pub(super) async fn read(db: &mut PgConnection, request: &StatsRequest) -> Result<Option<Reading>, ReportError> {
    let Some(Whole { first, behind }) = Whole::within(request.period) else { return Ok(None) };
    let Period::Range { first: first_day, last: last_day } = request.period else { return Ok(None) };
    let mut rows = sqlx::query_file_as!(
        Row,
        "src/reports/stats/sql/months.sql",
        request.site_id.as_str(),
        request.event_type.as_str(),
        first_day,
        last_day,
        first,
        behind,
    )
    .fetch(db);
    let mut summed = Summed::default();
    while let Some(row) = rows.try_next().await? {
        summed.add(row)?;
    }
    if !summed.reading.has_version() {
        return Err(ReportError::NoGeneration);
    }
    Ok(summed.into_reading())
}

/// Months of which all days are in a period; those that are not over yet among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Whole {
    /// The first day of the first one; none where the period begins before everything.
    first: Option<NaiveDate>,
    /// The first day behind the last one; none where it never ends.
    behind: Option<NaiveDate>,
}

impl Whole {
    /// None, if there are none; or if the calendar ends there, and nothing can be summed up.
    fn within(period: Period) -> Option<Self> {
        let Period::Range { first, last } = period else { return None };
        let first = match first {
            Some(day) => Some(first_from(day)?),
            None => None,
        };
        let behind = match last {
            Some(day) => Some(day.succ_opt()?.with_day(1)?),
            None => None,
        };
        let is_some = first.zip(behind).is_none_or(|(first, behind)| first < behind);
        is_some.then_some(Self { first, behind })
    }
}

/// The first day of a month, from this day on.
fn first_from(day: NaiveDate) -> Option<NaiveDate> {
    if day.day() == 1 { Some(day) } else { day.with_day(1)?.checked_add_months(Months::new(1)) }
}

impl Summed {
    fn add(&mut self, row: Row) -> Result<(), ReportError> {
        if let Some(((generation_id, checkpoints), today)) = row.generation_id.zip(row.checkpoints).zip(row.today) {
            self.reading.set_version(Version { generation_id, checkpoints, today });
            self.now = count(row.views.unwrap_or_default())?;
            return Ok(());
        }
        let Some((date, partition_id)) = row.date.zip(row.partition_id) else { return Ok(()) };
        self.is_split |= *self.partition_id.get_or_insert(partition_id) != partition_id;
        if let Some(views) = row.views {
            self.reading.add_views(Place { day: Some(date), partition_id }, views, row.top_paths.as_deref())?;
            if row.users_most.is_some() {
                self.then += count(views)?;
            }
        }
        let Some((sketch, least)) = row.sketch.zip(row.users_least) else { return Ok(()) };
        let bounds = match row.users_most.zip(row.users_low).zip(row.users_high) {
            None => Count::new(count(least)?, Accuracy::of_stored(&sketch)?).into(),
            Some(((most, low), high)) => unique_users::Summed { least, most, low, high }.try_into()?,
        };
        self.reading.add_users(Some(date), bounds, sketch)
    }

    fn into_reading(self) -> Option<Reading> {
        (self.now == self.then && !self.is_split).then_some(self.reading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Option<NaiveDate> {
        (text != "-").then(|| text.parse().expect("a day"))
    }

    #[test]
    fn whole_months_are_those_with_all_their_days() {
        for (first, last, whole) in [
            ("2025-01-01", "2025-01-31", Some(("2025-01-01", "2025-02-01"))),
            ("2025-01-02", "2025-01-31", None),
            ("2025-01-01", "2025-01-30", None),
            ("2024-12-02", "2025-02-27", Some(("2025-01-01", "2025-02-01"))),
            ("2024-12-02", "2025-02-28", Some(("2025-01-01", "2025-03-01"))),
            ("2024-02-01", "2024-02-28", None),
            ("2024-02-01", "2024-02-29", Some(("2024-02-01", "2024-03-01"))),
            ("2025-03-15", "2025-03-15", None),
            ("2025-03-15", "-", Some(("2025-04-01", "-"))),
            ("-", "2025-03-15", Some(("-", "2025-03-01"))),
            ("-", "-", Some(("-", "-"))),
        ] {
            let period = Period::Range { first: day(first), last: day(last) };
            let expected = whole.map(|(first, behind)| Whole { first: day(first), behind: day(behind) });
            assert_eq!(Whole::within(period), expected, "{first} to {last}");
        }
    }

    #[test]
    fn nothing_but_a_range_has_whole_months() {
        let of_a_day = day("2025-01-01").map(Period::Day).expect("a day");
        for period in [Period::AllTime, of_a_day] {
            assert_eq!(Whole::within(period), None, "{period:?}");
        }
    }

    #[test]
    fn the_end_of_the_calendar_has_none() {
        let period = Period::Range { first: None, last: Some(NaiveDate::MAX) };
        assert_eq!(Whole::within(period), None);
    }
}
