//! Slots for wide batches: how many are folded at once. A wide batch keeps a processor busy for seconds, here or in Postgres.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{PgConnection, PgPool};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

/// Wide batches that a projector folds or commits at a time, if it is the only one: one for each of two processors.
const SLOTS: u32 = 2;

/// Advisory lock of a throttled build. The number is "tidewide" in ASCII.
const ALONE: i64 = 0x7469_6465_7769_6465;

/// Interval at which the lock is tried for. A batch takes seconds.
const TRY_PAUSE: Duration = Duration::from_millis(200);

/// Number of slots of a projector.
#[derive(Debug, Clone)]
pub struct Slots(Arc<Semaphore>);

/// Given back when it is dropped.
pub struct Slot {
    _permit: OwnedSemaphorePermit,
    /// Connection that holds the advisory lock; it ends with the connection.
    _alone: Option<PgConnection>,
}

impl Default for Slots {
    /// All slots are free.
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(SLOTS as usize)))
    }
}

impl Slots {
    /// Waits for a slot, where there are so many projectors.
    pub async fn take(&self, projectors: usize) -> Slot {
        Slot { _permit: self.permit(slots_of_one(projectors)).await, _alone: None }
    }

    /// Waits for a slot like [`Slots::take`], but exclusive among all paced builds of all projectors, which leave
    /// processors to other work. If the connection of the lock is lost, two builds may overlap; that costs processors,
    /// not correctness.
    pub async fn take_alone(&self, pool: &PgPool) -> sqlx::Result<Slot> {
        let permit = self.permit(SLOTS).await;
        // A connection of its own: in the pool the lock would outlive the slot, or a waiter that was stopped.
        let mut alone = pool.acquire().await?.detach();
        // No projector keeps the lock for longer, not even one that hangs: a batch is read within 100 seconds, and its
        // commit is given up after 60.
        sqlx::query!("set idle_session_timeout = '3min'").execute(&mut alone).await?;
        while !try_lock(&mut alone).await? {
            sleep(TRY_PAUSE).await;
        }
        Ok(Slot { _permit: permit, _alone: Some(alone) })
    }

    async fn permit(&self, slots: u32) -> OwnedSemaphorePermit {
        self.0.clone().acquire_many_owned(slots).await.expect("the semaphore is never closed")
    }
}

async fn try_lock(db: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"select pg_try_advisory_lock($1) as "is_alone!""#, ALONE).fetch_one(db).await
}

/// How many of its slots a projector takes for a wide batch, where there are so many projectors.
fn slots_of_one(projectors: usize) -> u32 {
    u32::try_from(projectors).unwrap_or(SLOTS).clamp(1, SLOTS)
}
