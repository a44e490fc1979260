//! Summaries, compared with what the days say.

use sqlx::PgConnection;

use super::summary::{Month, NotSummed, Summary};
use crate::comparison::{Comparison, Scope};
use crate::generation::GenerationId;

/// Summaries that are read at once.
const PAGE_SUMMARIES: i64 = 500;

/// Who is told of it.
pub(crate) struct Watcher<'a> {
    /// Of each summary that says something else.
    pub(crate) difference: &'a mut (dyn FnMut(&str) + Send),
    /// Of how many were compared.
    pub(crate) progress: &'a mut (dyn FnMut(u64) + Send),
}

/// Compares each summary that reports would read with its days. Both must stand still: a snapshot.
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
            if Summary::of_days(&mut *db, generation, month).await? != *found {
                checked.differences += 1;
                let Month { site_id, event_type, partition_id, first_day } = month;
                (watcher.difference)(&format!(
                    "month_summary site {site_id} type {event_type} month {first_day} partition {partition_id}: not what its \
                     days say"
                ));
            }
        }
        let Some((next, _)) = page.into_iter().last() else { return Ok(checked) };
        last = Some(next);
    }
}

/// The next ones.
async fn page(
    db: &mut PgConnection,
    generation: GenerationId,
    scope: &Scope,
    last: Option<&Month>,
) -> sqlx::Result<Vec<(Month, Summary)>> {
    let rows = sqlx::query_file!(
        "src/months/summaries.sql",
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
            users_least: row.users_least,
            users_most: row.users_most,
            users_low: row.users_low,
            users_high: row.users_high,
            sketch: row.sketch,
        };
        (month, summary)
    });
    Ok(rows.collect())
}
