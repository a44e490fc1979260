//! Totals of today of all topics, read in one snapshot of the active generation.

use std::sync::Arc;

use chrono::NaiveDate;
use contract::sketch::{Accuracy, Count, NotAdded};
use serde::Serialize;
use sqlx::PgExecutor;
use utoipa::ToSchema;

use super::subscriptions::State;
use super::topic::Topic;
use crate::reports::unique_users::UniqueUsers;

/// Totals of a site today, so far.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct LiveTotals {
    /// The site.
    #[schema(example = "site-abc-123")]
    site_id: String,
    /// The UTC day.
    date: NaiveDate,
    /// The number of events of the type.
    total_views: u64,
    /// Distinct users: exact to a few thousand, then with a standard error of 0.81 %.
    unique_users: u64,
    /// The generation of the read models that the totals come from.
    generation: i32,
    /// Identifies these totals, so that a client can say what it has seen.
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

/// The stored numbers of a topic are damaged.
#[derive(Debug, thiserror::Error)]
enum Damaged {
    #[error("a count is negative")]
    Negative,
    #[error(transparent)]
    Sketch(#[from] NotAdded),
}

/// The states of all topics at one moment.
pub(super) struct States {
    /// The active generation, if there is one.
    pub(super) generation: Option<i32>,
    /// One state for each topic, in their order.
    pub(super) states: Vec<State>,
}

/// Reads the totals of at least one topic.
pub(super) async fn read(db: impl PgExecutor<'_>, topics: &[Arc<Topic>]) -> sqlx::Result<States> {
    let sites: Vec<&str> = topics.iter().map(|topic| topic.site_id.as_str()).collect();
    let event_types: Vec<&str> = topics.iter().map(|topic| topic.event_type.as_str()).collect();
    let rows = sqlx::query_file_as!(Row, "src/live/totals.sql", &sites as &[&str], &event_types as &[&str]);
    let rows = rows.fetch_all(db).await?;
    let generation = rows.first().and_then(|row| row.generation_id);
    let of_topics = rows.chunk_by(|left, right| left.number == right.number).zip(topics);
    let states = of_topics.map(|(rows, topic)| match generation {
        None => State::NoGeneration,
        Some(generation) => {
            LiveTotals::of(topic, generation, rows).map_or(State::Damaged, |totals| State::Counted(Arc::new(totals)))
        }
    });
    Ok(States { generation, states: states.collect() })
}

impl LiveTotals {
    /// Adds up the rows of a topic.
    fn of(topic: &Topic, generation: i32, rows: &[Row]) -> Result<Self, Damaged> {
        let (site_id, event_type) = (topic.site_id.as_str(), topic.event_type.as_str());
        let Row { day, views, .. } = rows[0];
        let (total_views, unique_users) = (count(views)?, users(rows)?);
        // Equal totals have equal ids in every process, and commits of other topics do not change them.
        let id = format!("{generation}/{day}/{total_views}/{unique_users}/{event_type}/{site_id}");
        Ok(Self { site_id: site_id.to_owned(), date: day, total_views, unique_users, generation, id })
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }
}

#[cfg(test)]
impl LiveTotals {
    /// Totals of some site and day.
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
