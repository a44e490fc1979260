//! What a month comes to.

use chrono::NaiveDate;
use contract::TopPaths;
use contract::sketch::{Accuracy, Bounds, Count, Members, NotAdded};
use contract::top_paths::TOP_PATHS_KEPT;
use futures_util::TryStreamExt;
use sqlx::PgExecutor;

use super::bigint::as_bigint;
use super::generation::GenerationId;

/// A month of a site, an event type and a partition.
#[derive(Debug)]
pub(crate) struct Month {
    pub(crate) site_id: String,
    pub(crate) event_type: String,
    pub(crate) partition_id: i32,
    pub(crate) first_day: NaiveDate,
}

/// A row of `month_summary`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) views: i64,
    pub(crate) top_paths: String,
    pub(crate) users: Users,
}

/// How many users a month has: between two numbers whatever is known of them, and probably between two closer ones.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Users {
    pub(crate) least: i64,
    pub(crate) most: i64,
    pub(crate) low: i64,
    pub(crate) high: i64,
    /// Sketch; none if no event named a user.
    pub(crate) sketch: Option<Vec<u8>>,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSummed {
    /// Postgres says no, or nothing.
    #[error("the months cannot be read from Postgres, or not be written there")]
    Database(#[from] sqlx::Error),
    /// A sketch cannot be read, or is of another key than that of another day.
    #[error("a stored sketch cannot be used")]
    Sketch(#[from] NotAdded),
}

impl Summary {
    /// Makes it of the days, with one statement: views are what tells whether it is right, so they must be those of the
    /// paths and users.
    pub(crate) async fn of_days(
        db: impl PgExecutor<'_>,
        generation: GenerationId,
        month: &Month,
    ) -> Result<Self, NotSummed> {
        let mut rows = sqlx::query_file!(
            "src/read_models/month_summary/days.sql",
            generation.0,
            month.partition_id,
            month.site_id,
            month.event_type,
            month.first_day,
            i64::try_from(TOP_PATHS_KEPT).expect("a list is short"),
        )
        .fetch(db);
        let (mut all_views, mut top_paths, mut members) = (0, TopPaths::default(), Members::default());
        while let Some(row) = rows.try_next().await? {
            if let Some((users, sketch)) = row.users.zip(row.sketch) {
                let accuracy = Accuracy::of_stored(&sketch).map_err(NotAdded::from)?;
                members.add(Count::new(users.unsigned_abs(), accuracy).into(), &sketch)?;
            } else if let Some((path, views)) = row.path.zip(row.views) {
                top_paths.update([(path.as_str(), views.unsigned_abs())]);
            } else {
                all_views = row.views.unwrap_or_default();
            }
        }
        let Bounds { least, most, low, high } = members.bounds();
        Ok(Self {
            views: all_views,
            top_paths: top_paths.to_json(),
            users: Users {
                least: as_bigint(least),
                most: as_bigint(most),
                low: as_bigint(low),
                high: as_bigint(high),
                sketch: members.end()?.map(|(_, sketch)| sketch),
            },
        })
    }

    /// Writes it, in place of another one.
    pub(crate) async fn write(
        self,
        db: impl PgExecutor<'_>,
        generation: GenerationId,
        month: &Month,
    ) -> Result<(), NotSummed> {
        sqlx::query!(
            "insert into month_summary (generation_id, partition_id, site_id, event_type, month, views, top_paths,
                 users_least, users_most, users_low, users_high, sketch)
             values ($1, $2, $3, $4, $5, $6, $7::text::json, $8, $9, $10, $11, $12)
             on conflict (generation_id, site_id, event_type, month, partition_id)
             do update set views = excluded.views, top_paths = excluded.top_paths, users_least = excluded.users_least,
                 users_most = excluded.users_most, users_low = excluded.users_low, users_high = excluded.users_high,
                 sketch = excluded.sketch",
            generation.0,
            month.partition_id,
            month.site_id,
            month.event_type,
            month.first_day,
            self.views,
            self.top_paths,
            self.users.least,
            self.users.most,
            self.users.low,
            self.users.high,
            self.users.sketch,
        )
        .execute(db)
        .await?;
        Ok(())
    }
}
