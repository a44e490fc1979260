//! Waiting for an event to arrive in the read models: who has just sent one wants reports that contain it.
//!
//! The checkpoints are looked at again and again, by one for all who wait, with a connection that is on loan only while
//! Postgres is asked. `LISTEN`, as `live.rs` uses it, would hear of a commit up to 20 ms earlier. But a request that waits
//! alone, which is the usual one, would first have to connect for it, and that takes as long.

use contract::Receipt;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};
use tokio::time::{Duration, Instant, sleep, timeout_at};

use crate::as_of::AsOf;
use crate::conflicts;
use crate::connections::Connections;
use crate::instruments;
use crate::lease::Lease;
use crate::stats::{StatsError, count};

/// Between two looks at the checkpoints: 50 short statements a second as long as anybody waits. A report comes at most
/// two of these after what it waits for: one until its turn, one because it may be told of a look that is as old.
pub(crate) const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Requests that may wait at once. They cost Postgres nothing more, but one commit can let all of them go: 256 reports
/// are a tenth of a second's work for 8 connections.
const WAITING_MAX: usize = 256;

/// Where events are waited for.
pub(crate) struct Arrivals {
    places: Semaphore,
    last: Mutex<Option<Look>>,
}

/// What the checkpoints were.
struct Look {
    at: Instant,
    as_of: AsOf,
}

impl Arrivals {
    pub(crate) fn new() -> Self {
        Self { places: Semaphore::new(WAITING_MAX), last: Mutex::new(None) }
    }

    /// Returns when the active generation contains the event.
    ///
    /// # Errors
    ///
    /// [`StatsError::NotContained`] if it still does not at `until`, and [`StatsError::TooManyWaiting`] if it does not
    /// now and nobody else may wait. Others say that it cannot be told.
    pub(crate) async fn wait(&self, db: &Connections, receipt: Receipt, until: Instant) -> Result<(), StatsError> {
        let first_look = timeout_at(until, self.contain(db, receipt)).await;
        if first_look.unwrap_or(Err(StatsError::NoConnection))? {
            return Ok(());
        }
        let _place = self.place()?;
        let begun = Instant::now();
        let arrived = timeout_at(until, self.look_until_contained(db, receipt)).await;
        let arrived = arrived.unwrap_or(Err(StatsError::NotContained(receipt)));
        let outcome = if arrived.is_ok() { "arrived" } else { "missed" };
        instruments::waited(outcome, begun.elapsed());
        arrived
    }

    fn place(&self) -> Result<SemaphorePermit<'_>, StatsError> {
        self.places.try_acquire().map_err(|_| StatsError::TooManyWaiting)
    }

    async fn look_until_contained(&self, db: &Connections, receipt: Receipt) -> Result<(), StatsError> {
        loop {
            sleep(LOOK_INTERVAL).await;
            if self.contain(db, receipt).await? {
                return Ok(());
            }
        }
    }

    /// Whether the checkpoints were beyond the event when somebody looked at them last, just now or a moment ago.
    async fn contain(&self, db: &Connections, receipt: Receipt) -> Result<bool, StatsError> {
        let asked = Instant::now();
        // Held while Postgres is asked, on purpose: whoever comes meanwhile waits for that answer instead of asking the
        // same. Who holds it and leaves lets the next one ask.
        let mut last = self.last.lock().await;
        // Where Postgres takes longer than the interval, all who have come meanwhile share the look after this one.
        let look = match last.take().filter(|look| look.at >= asked || look.at.elapsed() < LOOK_INTERVAL) {
            Some(look) => look,
            None => conflicts::tried_twice(|| look(db)).await?,
        };
        Ok(last.insert(look).as_of.contains(receipt))
    }
}

/// Its callers wait no longer than their requests do: a deadline of its own would only be another answer at that moment.
async fn look(db: &Connections) -> Result<Look, StatsError> {
    let at = Instant::now();
    let mut lease = Lease::take_in_time(db).await?;
    let rows = sqlx::query!(
        r#"
        select partition_id as "partition_id?", stream_sequence as "stream_sequence?"
        from generation
        left join checkpoint using (generation_id)
        where status = 'active'
        "#
    );
    let rows = rows.fetch_all(&mut *lease).await?;
    lease.end();
    if rows.is_empty() {
        return Err(StatsError::NoGeneration);
    }
    let checkpoints = rows.into_iter().filter_map(|row| row.partition_id.zip(row.stream_sequence));
    let as_of = checkpoints.map(|(partition_id, sequence)| Ok((count(partition_id.into())?, count(sequence)?)));
    Ok(Look { at, as_of: as_of.collect::<Result<_, StatsError>>()? })
}
