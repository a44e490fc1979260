//! The numbers of everything that is watched, read in one snapshot of the active generation.

use std::sync::Arc;

use chrono::NaiveDate;
use contract::sketch::{Accuracy, Count, NotAdded};
use serde::Serialize;
use sqlx::PgExecutor;
use utoipa::ToSchema;

use super::subscriptions::{Pair, State};
use crate::reports::unique_users::UniqueUsers;

/// What a site has had today, so far.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = LiveTotals)]
pub(crate) struct Totals {
    /// Whose traffic it is.
    #[schema(example = "site-abc-123")]
    site_id: String,
    /// Today: the UTC day.
    date: NaiveDate,
    /// Events of the type.
    total_views: u64,
    /// Different users among them: exact to a few thousand, then with a standard error of 0.81 %.
    unique_users: u64,
    /// The set of read models that they come from.
    generation: i32,
    /// Names these totals, so that a client can say what it has seen.
    #[serde(skip)]
    id: String,
}

/// A row of `totals.sql`.
struct Row {
    number: i64,
    generation_id: Option<i32>,
    day: NaiveDate,
    views: i64,
    users: Option<i64>,
    sketch: Option<Vec<u8>>,
}

/// What is stored of one pair cannot be.
#[derive(Debug, thiserror::Error)]
enum Damaged {
    #[error("a count is negative")]
    Negative,
    #[error(transparent)]
    Sketch(#[from] NotAdded),
}

/// All of one moment.
pub(super) struct Snapshot {
    /// The active generation, if there is one.
    pub(super) generation: Option<i32>,
    /// One for each pair, in their order.
    pub(super) states: Vec<State>,
}

/// Reads the totals of some pairs, at least one.
pub(super) async fn read(db: impl PgExecutor<'_>, pairs: &[Arc<Pair>]) -> sqlx::Result<Snapshot> {
    let sites: Vec<&str> = pairs.iter().map(|pair| pair.site_id.as_str()).collect();
    let event_types: Vec<&str> = pairs.iter().map(|pair| pair.event_type.as_str()).collect();
    let rows = sqlx::query_file_as!(Row, "src/live/totals.sql", &sites as &[&str], &event_types as &[&str]);
    let rows = rows.fetch_all(db).await?;
    let generation = rows.first().and_then(|row| row.generation_id);
    let of_pairs = rows.chunk_by(|left, right| left.number == right.number).zip(pairs);
    let states = of_pairs.map(|(rows, pair)| match generation {
        None => State::NoGeneration,
        Some(generation) => {
            Totals::of(pair, generation, rows).map_or(State::Damaged, |totals| State::Counted(Arc::new(totals)))
        }
    });
    Ok(Snapshot { generation, states: states.collect() })
}

impl Totals {
    /// Those of a pair from its rows.
    fn of(pair: &Pair, generation: i32, rows: &[Row]) -> Result<Self, Damaged> {
        let (site_id, event_type) = (pair.site_id.as_str(), pair.event_type.as_str());
        let Row { day, views, .. } = rows[0];
        let (total_views, unique_users) = (count(views)?, users(rows)?);
        // All that makes them what they are: equal totals have equal names, in every process, whatever was committed
        // for others meanwhile.
        let id = format!("{generation}/{day}/{total_views}/{unique_users}/{event_type}/{site_id}");
        Ok(Self { site_id: site_id.to_owned(), date: day, total_views, unique_users, generation, id })
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }
}

#[cfg(test)]
impl Totals {
    /// Of some site and day.
    pub(super) fn for_test(views: u64) -> Self {
        let (site_id, date, id) = ("site-abc-123".to_owned(), NaiveDate::default(), views.to_string());
        Self { site_id, date, total_views: views, unique_users: 1, generation: 1, id }
    }
}

/// Distinct users of all partitions.
fn users(rows: &[Row]) -> Result<u64, Damaged> {
    let mut all = UniqueUsers::default();
    for row in rows {
        let Some(users) = row.users else { return Ok(0) };
        let users = count(users)?;
        let Some(sketch) = &row.sketch else { return Ok(users) };
        let accuracy = Accuracy::of_stored(sketch).map_err(NotAdded::from)?;
        all.add(None, Count::new(users, accuracy), sketch.clone())?;
    }
    Ok(all.count()?.users)
}

fn count(stored: i64) -> Result<u64, Damaged> {
    u64::try_from(stored).map_err(|_| Damaged::Negative)
}
