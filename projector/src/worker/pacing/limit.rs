//! How far a generation that is built may be folded now, and how fast. It stays behind the active one, so that in the
//! end both can be brought to the same place, compared, and switched. The active one knows no ceiling.

use std::time::Duration;

use sqlx::PgPool;
use tokio::time::{Instant, sleep};

use super::limits::BatchLimits;
use super::throttle::DutyCycle;
use crate::read_models::slice::Slice;

/// Interval at which a limit that holds the build back is read again.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// Time for which a limit that was read is used.
const FRESH: Duration = Duration::from_secs(1);

/// A throttled partition folds so many batches a second, where its envelopes are small enough.
const THROTTLED_BATCHES_PER_SECOND: u64 = 2;

/// A throttled wide batch has what is due in so many seconds. A throttle is there to spare the machine, and the wider a
/// batch, the less often a row is written that many events add to: with ten seconds' events an event cost Postgres five
/// times as much as with two minutes'.
const THROTTLED_WIDE_SECONDS: u64 = 600;

/// What a throttled partition was late by is made up for up to this much.
const CATCH_UP_MAX: Duration = Duration::from_secs(1);

/// With more envelopes left a partition is far behind.
const WIDE_ENVELOPES: u64 = 1_000;

/// The ceiling of one partition of one generation.
#[derive(Debug)]
pub(crate) struct CatchUpLimit {
    pool: PgPool,
    slice: Slice,
    bounds: Bounds,
    seen_at: Option<Instant>,
    /// When the events so far are due at the pace that was asked for.
    due: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bounds {
    /// The last sequence that may be folded.
    until: u64,
    /// Events a second of this partition; none is as fast as it goes.
    events_per_second_max: Option<u64>,
}

impl CatchUpLimit {
    pub(crate) fn new(pool: PgPool, slice: Slice) -> Self {
        let bounds = Bounds { until: 0, events_per_second_max: None };
        Self { pool, slice, bounds, seen_at: None, due: Instant::now() }
    }

    /// Waits until something behind `sequence` may be folded, and answers the last one that may.
    pub(crate) async fn wait_above(&mut self, sequence: u64) -> sqlx::Result<u64> {
        loop {
            let is_fresh = self.seen_at.is_some_and(|at| at.elapsed() < FRESH) && self.bounds.until > sequence;
            if !self.is_active() && !is_fresh {
                self.bounds = self.look().await?;
                self.seen_at = Some(Instant::now());
            }
            if self.bounds.until > sequence {
                return Ok(self.bounds.until);
            }
            sleep(LOOK_PAUSE).await;
        }
    }

    /// Whether much is left between `sequence` and the `end` of the stream that reports do not need yet: of a generation that is
    /// built, or, at the beginning, of any.
    pub(crate) async fn is_wide(&mut self, sequence: u64, end: u64) -> sqlx::Result<bool> {
        if self.seen_at.is_none() {
            self.bounds = self.look().await?;
            self.seen_at = Some(Instant::now());
        }
        let is_unseen = !self.is_active() || sequence == 0;
        let is_far = self.bounds.until.min(end).saturating_sub(sequence) > WIDE_ENVELOPES;
        Ok(is_unseen && is_far)
    }

    /// The bounds of a wide batch: at a pace, what it allows in some seconds.
    pub(crate) fn wide_limits(&self, wide: BatchLimits) -> BatchLimits {
        let Some(max) = self.bounds.events_per_second_max else { return wide };
        let duty_cycle = DutyCycle::Gentle;
        BatchLimits {
            batch_events_max: (max * THROTTLED_WIDE_SECONDS).clamp(1, wide.batch_events_max),
            batch_time_max: duty_cycle.lasting(wide.batch_time_max),
            duty_cycle,
            ..wide
        }
    }

    /// The bounds of a batch of the ordinary width: small where there is a pace to keep.
    pub(crate) fn limits(&self, limits: BatchLimits) -> BatchLimits {
        match self.bounds.events_per_second_max {
            Some(max) => {
                let paced = (max / THROTTLED_BATCHES_PER_SECOND).max(1);
                BatchLimits { batch_events_max: paced.min(limits.batch_events_max), ..limits }
            }
            None => limits,
        }
    }

    /// Notes that so many events were folded. That took time already; what was late is caught up with for a moment only.
    pub(crate) fn folded(&mut self, events: u64) {
        if let Some(max) = self.bounds.events_per_second_max {
            let due = self.due.max(Instant::now() - CATCH_UP_MAX);
            self.due = due + Duration::from_micros(events.saturating_mul(1_000_000) / max);
        }
    }

    /// How long to rest until the events so far are due.
    pub(crate) fn rest(&self) -> Duration {
        self.due.saturating_duration_since(Instant::now())
    }

    /// Whether there is a pace to keep.
    pub(crate) fn is_paced(&self) -> bool {
        self.bounds.events_per_second_max.is_some()
    }

    /// Whether reports come from it. An active generation stays so until it is no longer followed.
    pub(crate) fn is_active(&self) -> bool {
        self.bounds.until == u64::MAX
    }

    async fn look(&self) -> sqlx::Result<Bounds> {
        let seen = sqlx::query!(
            r#"select own.status, own.events_per_second_max, ceiling,
                    (select stream_sequence
                     from checkpoint as theirs
                     join generation using (generation_id)
                     where status = 'active' and theirs.partition_id = checkpoint.partition_id) as active_sequence,
                    (select count(*) from checkpoint as all_of_it
                     where all_of_it.generation_id = checkpoint.generation_id) as "partitions!"
             from checkpoint
             join generation as own using (generation_id)
             where generation_id = $1 and partition_id = $2"#,
            self.slice.generation.0,
            self.slice.partition_id(),
        )
        .fetch_one(&self.pool)
        .await?;
        if seen.status == "active" {
            return Ok(Bounds { until: u64::MAX, events_per_second_max: None });
        }
        let until = seen.ceiling.or(seen.active_sequence).unwrap_or(0);
        let share = |max: i32| (i64::from(max) / seen.partitions.max(1)).max(1).unsigned_abs();
        Ok(Bounds {
            until: u64::try_from(until).unwrap_or(0),
            events_per_second_max: seen.events_per_second_max.map(share),
        })
    }
}
