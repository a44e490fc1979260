//! Summaries, compared with what the days say: each one that has the views of its month, and what query's own statement
//! takes from it for the month and for parts of it.

use chrono::{Days, Months, NaiveDate};
use sqlx::PgConnection;

use super::{Comparison, Scope};
use crate::read_models::generation::GenerationId;
use crate::read_models::month_summary::{Month, NotSummed, Summary, Users};

/// Summaries that are read at once.
const PAGE_SUMMARIES: i64 = 500;

/// Callbacks of the check.
pub(crate) struct Watcher<'a> {
    /// Called for each summary that differs from its days.
    pub(crate) difference: &'a mut (dyn FnMut(&str) + Send),
    /// Called with the number of summaries that were compared.
    pub(crate) progress: &'a mut (dyn FnMut(u64) + Send),
}

/// Compares each summary that reports would read with its days. Both must stand still: a snapshot. The generation must be the
/// active one: query's statement reads no other.
///
/// # Errors
///
/// See [`NotSummed`].
pub(crate) async fn check(
    db: &mut PgConnection,
    generation: GenerationId,
    scope: &Scope,
    watcher: &mut Watcher<'_>,
) -> Result<Comparison, NotSummed> {
    let (mut checked, mut last) = (Comparison::default(), None);
    loop {
        let page = page(db, generation, scope, last.as_ref()).await?;
        for (month, found) in &page {
            checked.rows += 1;
            (watcher.progress)(checked.rows);
            let days = Summary::of_days(&mut *db, generation, month).await?;
            let told = if days.views == found.views && days != *found {
                Some("not what its days say")
            } else if is_misread(&mut *db, generation, month, &days).await? {
                Some("reports read it for days that it does not stand for")
            } else {
                None
            };
            if let Some(told) = told {
                checked.differences += 1;
                let Month { site_id, event_type, partition_id, first_day } = month;
                (watcher.difference)(&format!(
                    "month_summary site {site_id} type {event_type} month {first_day} partition {partition_id}: {told}"
                ));
            }
        }
        let Some((next, _)) = page.into_iter().last() else { return Ok(checked) };
        last = Some(next);
    }
}

/// Whether a report on the month says what its days do not, or a report on a part of the month reads the summary of all.
async fn is_misread(
    db: &mut PgConnection,
    generation: GenerationId,
    month: &Month,
    days: &Summary,
) -> sqlx::Result<bool> {
    let first = month.first_day;
    let Some((middle, behind)) = first.checked_add_days(HALF).zip(first.checked_add_months(Months::new(1))) else {
        return Ok(false);
    };
    let (Some(before_middle), Some(last)) = (middle.pred_opt(), behind.pred_opt()) else { return Ok(false) };
    for part in [(first, before_middle), (middle, last)] {
        if users_reported(&mut *db, generation, month, part).await?.is_some() {
            return Ok(true);
        }
    }
    let reported = users_reported(&mut *db, generation, month, (first, last)).await?;
    Ok(reported.is_some_and(|reported| reported != days.users))
}

/// Half a month, about.
const HALF: Days = Days::new(14);

/// The users of a summary that a time series by months has; none where it reads days.
async fn users_reported(
    db: &mut PgConnection,
    generation: GenerationId,
    month: &Month,
    (first, last): (NaiveDate, NaiveDate),
) -> sqlx::Result<Option<Users>> {
    let (interval, with_views, with_users) = ("month", false, true);
    let rows = sqlx::query_file!(
        "../query/src/reports/lists/sql/timeseries.sql",
        month.site_id,
        month.event_type,
        first,
        last,
        interval,
        with_views,
        with_users,
    );
    let mut rows = rows.fetch_all(db).await?.into_iter().filter(|row| row.generation_id == generation.0);
    // A day's users are not between two bounds.
    Ok(rows.find_map(|row| {
        Some(Users {
            least: row.users?,
            most: row.users_most?,
            low: row.users_low?,
            high: row.users_high?,
            sketch: row.sketch,
        })
    }))
}

/// The next ones.
async fn page(
    db: &mut PgConnection,
    generation: GenerationId,
    scope: &Scope,
    last: Option<&Month>,
) -> sqlx::Result<Vec<(Month, Summary)>> {
    let rows = sqlx::query_file!(
        "src/read_models/compare/month_summaries.sql",
        generation.0,
        last.map(|last| last.site_id.as_str()),
        last.map(|last| last.event_type.as_str()),
        last.map(|last| last.first_day),
        last.map(|last| last.partition_id),
        scope.site_id,
        scope.first,
        scope.last,
        PAGE_SUMMARIES,
    );
    let rows = rows.fetch_all(db).await?.into_iter().map(|row| {
        let month = Month {
            site_id: row.site_id,
            event_type: row.event_type,
            partition_id: row.partition_id,
            first_day: row.first_day,
        };
        let summary = Summary {
            views: row.views,
            top_paths: row.top_paths,
            users: Users {
                least: row.users_least,
                most: row.users_most,
                low: row.users_low,
                high: row.users_high,
                sketch: row.sketch,
            },
        };
        (month, summary)
    });
    Ok(rows.collect())
}
