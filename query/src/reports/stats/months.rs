//! The sums of many days, from the summaries of months that are over and the days before and after these.

use chrono::{Datelike, Months, NaiveDate};
use contract::sketch::{Accuracy, Bounds, Count};
use futures_util::TryStreamExt;
use sqlx::PgConnection;

use super::summary::{Summary, UserSums, ViewSums};
use super::top_k::ListKey;
use crate::params::{Period, StatsRequest};
use crate::reports::error::{ReportError, count};
use crate::reports::snapshot_version::SnapshotVersion;
use crate::reports::unique_users::{StoredBounds, UniqueUsers};

/// A row of `months.sql`: the version of the read models with the views of all whole months, or the views or the users of a
/// day, or both of a month under its first day.
#[derive(Default)]
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

/// The sums of the rows so far.
#[derive(Default)]
struct Sums {
    version: Option<SnapshotVersion>,
    views: ViewSums,
    users: UniqueUsers,
    /// Views that the days of the months have now, and that their summaries were made of.
    views_now: u64,
    views_summed: u64,
    partition_id: Option<i32>,
    /// Whether several partitions have the site: then each of its days has to be merged first.
    is_split: bool,
}

/// Reads the sums of a report. Returns `None` where its days have to be read one by one: there is no whole month, or not all
/// of them have a summary of what they are now.
pub(super) async fn read(db: &mut PgConnection, request: &StatsRequest) -> Result<Option<Summary>, ReportError> {
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
    let mut sums = Sums::default();
    while let Some(row) = rows.try_next().await? {
        sums.add(row)?;
    }
    sums.into_summary()
}

/// The months of a period with all their days. Some may not be over yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Whole {
    /// The first day of the first month; `None` if that end is open.
    first: Option<NaiveDate>,
    /// The first day behind the last month; `None` if that end is open.
    behind: Option<NaiveDate>,
}

impl Whole {
    /// Returns `None` if the period has no whole month, or if the calendar ends there.
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

/// The first day of a month, on this day or later.
fn first_from(day: NaiveDate) -> Option<NaiveDate> {
    if day.day() == 1 { Some(day) } else { day.with_day(1)?.checked_add_months(Months::new(1)) }
}

impl Sums {
    fn add(&mut self, row: Row) -> Result<(), ReportError> {
        let Row { date, partition_id, views, users_least: least, users_most: most, sketch, .. } = row;
        if let Some(((generation_id, checkpoints), today)) = row.generation_id.zip(row.checkpoints).zip(row.today) {
            self.version = Some(SnapshotVersion { generation_id, checkpoints, today });
            self.views_now = count(views.unwrap_or_default())?;
            return Ok(());
        }
        let Some((day, partition_id)) = date.zip(partition_id) else {
            // The row of the version, where no generation is active.
            let is_empty = date.is_none() && partition_id.is_none() && least.is_none();
            return Err(if is_empty { ReportError::NoGeneration } else { ReportError::UnexpectedRow });
        };
        self.is_split |= *self.partition_id.get_or_insert(partition_id) != partition_id;
        let key = ListKey { day: date, partition_id };
        match (views, least, most.zip(row.users_low).zip(row.users_high)) {
            (Some(views), None, None) => self.views.add(key, views, row.top_paths.as_deref()),
            (None, Some(users), None) => self.add_users_of_day(day, users, sketch.ok_or(ReportError::UnexpectedRow)?),
            (Some(views), Some(least), Some(((most, low), high))) => {
                self.views.add(key, views, row.top_paths.as_deref())?;
                self.views_summed += count(views)?;
                // Without a sketch the month has no users.
                let Some(sketch) = sketch else { return Ok(()) };
                let bounds = StoredBounds { least, most, low, high };
                Ok(self.users.add(date, Bounds::try_from(bounds)?, sketch)?)
            }
            _ => Err(ReportError::UnexpectedRow),
        }
    }

    fn add_users_of_day(&mut self, day: NaiveDate, users: i64, sketch: Vec<u8>) -> Result<(), ReportError> {
        let users = Count::new(count(users)?, Accuracy::of_stored(&sketch)?);
        Ok(self.users.add(Some(day), users, sketch)?)
    }

    fn into_summary(self) -> Result<Option<Summary>, ReportError> {
        let version = self.version.ok_or(ReportError::NoGeneration)?;
        let is_current = self.views_now == self.views_summed;
        let summary = Summary { version, views: self.views, users: UserSums::Sketches(self.users) };
        Ok((is_current && !self.is_split).then_some(summary))
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

    #[test]
    fn a_row_without_a_known_shape_is_an_error() {
        let of_a_day = || Row { date: day("2025-01-01"), partition_id: Some(0), ..Row::default() };
        let (no_numbers, no_sketch) = (of_a_day(), Row { users_least: Some(1), ..of_a_day() });
        let half_a_summary = Row { views: Some(1), users_least: Some(1), ..of_a_day() };
        for row in [no_numbers, no_sketch, half_a_summary, Row { date: day("2025-01-01"), ..Row::default() }] {
            assert!(matches!(Sums::default().add(row), Err(ReportError::UnexpectedRow)));
        }
        assert!(matches!(Sums::default().add(Row::default()), Err(ReportError::NoGeneration)));
    }
}
