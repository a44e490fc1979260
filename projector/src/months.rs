//! Months that are over, each summed up, so that a report on a year reads twelve rows and not hundreds.
//!
//! This stands beside the fold and takes no part in it. A summary says how many views it was made of; views only grow, so
//! it is right for as long as its days have as many, and reports see to that. So nothing has to be invalidated when an
//! event of last year arrives, nobody has to be kept from writing, and where there is no summary, or none yet that is
//! right, a report reads the days.

use std::time::Duration;

use chrono::NaiveDate;
use contract::sketch::{Accuracy, Bounds, Count, Members, NotAdded};
use contract::top_paths::TOP_PATHS_KEPT;
use contract::{Partition, TopPaths};
use futures_util::TryStreamExt;
use sqlx::PgPool;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::checkpoint::as_bigint;
use crate::generation::GenerationId;
use crate::generations::Generations;
use crate::instruments;

/// Sites, each with one event type, that one statement looks at: a few milliseconds for a year of each.
const PAGE_SITES: i64 = 500;

/// Envelopes that a partition may be behind the log: about a second's of a busy one.
const LAG_ENVELOPES_MAX: u64 = 1_000;

/// After a month is summed up, that many times as long as it took: a quarter of one processor is spent at most.
const REST_FACTOR: u32 = 3;

/// Between two looks at all sites: that many times as long as looking took, within these bounds.
const PAUSE_FACTOR: u32 = 100;
const PAUSE_MIN: Duration = Duration::from_secs(2);
const PAUSE_MAX: Duration = Duration::from_mins(10);

/// Why a month is not summed up. It is tried again with the next look.
#[derive(Debug, thiserror::Error)]
enum NotSummed {
    #[error("the database is away, or takes too long")]
    Database(#[from] sqlx::Error),
    #[error("a stored sketch cannot be used")]
    Sketch(#[from] NotAdded),
}

/// Whose months are looked at. An empty one comes before all others.
#[derive(Debug, Default)]
struct Place {
    site_id: String,
    event_type: String,
    partition_id: i32,
}

/// A month that is to be summed up.
#[derive(Debug)]
struct Outdated {
    site_id: String,
    event_type: String,
    partition_id: i32,
    /// Its first day.
    month: NaiveDate,
}

/// What a month comes to.
#[derive(Debug, Default)]
struct Summary {
    views: i64,
    top_paths: TopPaths,
    users: Members,
}

/// Sums up what is to be summed up of the active generation's partitions that this projector has, again and again until
/// `shutdown`.
pub(crate) async fn attend(pool: PgPool, generations: Generations, shutdown: CancellationToken) -> anyhow::Result<()> {
    loop {
        let pause = match shutdown.run_until_cancelled(look(&pool, &generations)).await {
            None => return Ok(()),
            Some(Ok(looked)) => looked * PAUSE_FACTOR,
            Some(Err(err)) => {
                tracing::debug!(error = %err, "Cannot see which months are to be summed up");
                PAUSE_MIN
            }
        };
        if shutdown.run_until_cancelled(sleep(pause.clamp(PAUSE_MIN, PAUSE_MAX))).await.is_none() {
            return Ok(());
        }
    }
}

/// Goes through all sites once, and answers how long it took to look at them.
async fn look(pool: &PgPool, generations: &Generations) -> sqlx::Result<Duration> {
    let (mut last, mut looked) = (Place::default(), Duration::ZERO);
    loop {
        // Asked once a page: what is far behind the log is about to change.
        let Some((generation, partitions)) = generations.keeping_up(LAG_ENVELOPES_MAX) else { return Ok(looked) };
        let begun = Instant::now();
        let places = next_places(pool, generation, &partitions, &last).await?;
        let outdated = outdated(pool, generation, &places).await?;
        looked += begun.elapsed();
        for month in &outdated {
            let begun = Instant::now();
            match month.sum_up(pool, generation).await {
                Ok(()) => instruments::summed_up(),
                Err(err) => tracing::debug!(error = %err, month = %month.month, "Cannot sum a month up"),
            }
            // Reports and commits want Postgres, too.
            sleep(begun.elapsed() * REST_FACTOR).await;
        }
        let Some(next) = places.into_iter().last() else { return Ok(looked) };
        last = next;
    }
}

/// Those behind another one.
async fn next_places(
    pool: &PgPool,
    generation: GenerationId,
    partitions: &[Partition],
    last: &Place,
) -> sqlx::Result<Vec<Place>> {
    let partitions: Vec<i32> = partitions.iter().map(|partition| partition.number().into()).collect();
    let places = sqlx::query_file_as!(
        Place,
        "src/months/sites.sql",
        generation.0,
        &partitions,
        last.site_id,
        last.event_type,
        last.partition_id,
        PAGE_SITES,
    );
    places.fetch_all(pool).await
}

/// Their months that are to be summed up.
async fn outdated(pool: &PgPool, generation: GenerationId, places: &[Place]) -> sqlx::Result<Vec<Outdated>> {
    let site_id: Vec<&str> = places.iter().map(|place| place.site_id.as_str()).collect();
    let event_type: Vec<&str> = places.iter().map(|place| place.event_type.as_str()).collect();
    let partition_id: Vec<i32> = places.iter().map(|place| place.partition_id).collect();
    let rows = sqlx::query_file_as!(
        Outdated,
        "src/months/outdated.sql",
        generation.0,
        &site_id as &[&str],
        &event_type as &[&str],
        &partition_id,
    );
    rows.fetch_all(pool).await
}

impl Outdated {
    async fn sum_up(&self, pool: &PgPool, generation: GenerationId) -> Result<(), NotSummed> {
        Summary::read(pool, generation, self).await?.write(pool, generation, self).await
    }
}

impl Summary {
    /// Reads it from the days, with one statement: views are what tells whether it is right, so they must be those of the
    /// paths and users.
    async fn read(pool: &PgPool, generation: GenerationId, of: &Outdated) -> Result<Self, NotSummed> {
        let mut rows = sqlx::query_file!(
            "src/months/days.sql",
            generation.0,
            of.partition_id,
            of.site_id,
            of.event_type,
            of.month,
            i64::try_from(TOP_PATHS_KEPT).expect("a list is short"),
        )
        .fetch(pool);
        let mut summary = Self::default();
        while let Some(row) = rows.try_next().await? {
            if let Some((users, sketch)) = row.users.zip(row.sketch) {
                let accuracy = Accuracy::of_stored(&sketch).map_err(NotAdded::from)?;
                summary.users.add(Count::new(users.unsigned_abs(), accuracy).into(), &sketch)?;
            } else if let Some((path, views)) = row.path.zip(row.views) {
                summary.top_paths.update([(path.as_str(), views.unsigned_abs())]);
            } else {
                summary.views = row.views.unwrap_or_default();
            }
        }
        Ok(summary)
    }

    async fn write(self, pool: &PgPool, generation: GenerationId, of: &Outdated) -> Result<(), NotSummed> {
        let Bounds { least, most, low, high } = self.users.bounds();
        let sketch = self.users.end()?.map(|(_, sketch)| sketch);
        sqlx::query!(
            "insert into month_summary (generation_id, partition_id, site_id, event_type, month, views, top_paths,
                 users_least, users_most, users_low, users_high, sketch)
             values ($1, $2, $3, $4, $5, $6, $7::text::json, $8, $9, $10, $11, $12)
             on conflict (generation_id, site_id, event_type, month, partition_id)
             do update set views = excluded.views, top_paths = excluded.top_paths, users_least = excluded.users_least,
                 users_most = excluded.users_most, users_low = excluded.users_low, users_high = excluded.users_high,
                 sketch = excluded.sketch",
            generation.0,
            of.partition_id,
            of.site_id,
            of.event_type,
            of.month,
            self.views,
            self.top_paths.to_json(),
            as_bigint(least),
            as_bigint(most),
            as_bigint(low),
            as_bigint(high),
            sketch,
        )
        .execute(pool)
        .await?;
        Ok(())
    }
}
