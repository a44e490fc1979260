//! Months that are over, each summed up, so that a report on a year reads twelve rows and not hundreds.
//!
//! The roll-up stands beside the fold and takes no part in it. A summary says how many views it was made of; views only grow, so
//! it is right for as long as its days have as many, and reports see to that. So nothing has to be invalidated when an
//! event of last year arrives, no writer has to be kept out, and where there is no summary, or none yet that is
//! right, a report reads the days.

use std::time::Duration;

use contract::Partition;
use sqlx::PgPool;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::generations::Generations;
use crate::metrics;
use crate::read_models::generation::GenerationId;
use crate::read_models::month_summary::{Month, NotSummed, Summary};

/// Sites, each with one event type, that one statement looks at: a few milliseconds for a year of each.
const PAGE_SITES: i64 = 500;

/// Envelopes that a partition may be behind the log: about a second's of a busy one.
const LAG_ENVELOPES_MAX: u64 = 1_000;

/// A rest is so many times as long as the work before it, so that the roll-up uses a quarter of one processor at most.
const REST_FACTOR: u32 = 3;

/// Between two looks at all sites: that many times as long as looking took, within these bounds.
const PAUSE_FACTOR: u32 = 30;
const PAUSE_MIN: Duration = Duration::from_secs(2);
const PAUSE_MAX: Duration = Duration::from_hours(1);

/// Site, type and partition whose months are looked at. An empty place comes before all others.
#[derive(Debug, Default)]
struct Place {
    site_id: String,
    event_type: String,
    partition_id: i32,
}

/// Sums up what is to be summed up of the active generation's partitions that this projector has, again and again until
/// `shutdown`.
pub(crate) async fn run(pool: PgPool, generations: Generations, shutdown: CancellationToken) -> anyhow::Result<()> {
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
        let Some((generation, partitions)) = generations.keeping_up(LAG_ENVELOPES_MAX) else { return Ok(looked) };
        let begun = Instant::now();
        let places = next_places(pool, generation, &partitions, &last).await?;
        let outdated = outdated(pool, generation, &places).await?;
        let took = begun.elapsed();
        looked += took;
        sleep(took * REST_FACTOR).await;
        for month in &outdated {
            // A page has thousands at most: asked before each, because a rebuild may begin meanwhile, or have ended.
            if generations.keeping_up(LAG_ENVELOPES_MAX).is_none_or(|(active, _)| active != generation) {
                return Ok(looked);
            }
            let begun = Instant::now();
            match sum_up(pool, generation, month).await {
                Ok(()) => metrics::summed_up(),
                Err(NotSummed::Database(err)) if err.as_database_error().is_none() => return Err(err),
                // That of the month alone. It is tried again with the next look.
                Err(err) => tracing::debug!(error = %err, month = %month.first_day, "Cannot sum a month up"),
            }
            sleep(begun.elapsed() * REST_FACTOR).await;
        }
        let Some(next) = places.into_iter().last() else { return Ok(looked) };
        last = next;
    }
}

async fn sum_up(pool: &PgPool, generation: GenerationId, month: &Month) -> Result<(), NotSummed> {
    Summary::of_days(pool, generation, month).await?.write(pool, generation, month).await
}

/// Reads the places behind another one.
async fn next_places(
    pool: &PgPool,
    generation: GenerationId,
    partitions: &[Partition],
    last: &Place,
) -> sqlx::Result<Vec<Place>> {
    let partitions: Vec<i32> = partitions.iter().map(|partition| partition.number().into()).collect();
    let places = sqlx::query_file_as!(
        Place,
        "src/worker/monthly_rollup/sites.sql",
        generation.0,
        &partitions,
        last.site_id,
        last.event_type,
        last.partition_id,
        PAGE_SITES,
    );
    places.fetch_all(pool).await
}

/// Reads the months of places that are to be summed up.
async fn outdated(pool: &PgPool, generation: GenerationId, places: &[Place]) -> sqlx::Result<Vec<Month>> {
    let site_id: Vec<&str> = places.iter().map(|place| place.site_id.as_str()).collect();
    let event_type: Vec<&str> = places.iter().map(|place| place.event_type.as_str()).collect();
    let partition_id: Vec<i32> = places.iter().map(|place| place.partition_id).collect();
    let rows = sqlx::query_file_as!(
        Month,
        "src/worker/monthly_rollup/outdated.sql",
        generation.0,
        &site_id as &[&str],
        &event_type as &[&str],
        &partition_id,
    );
    rows.fetch_all(pool).await
}
