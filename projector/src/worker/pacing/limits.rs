//! Limits of one batch.

use std::num::NonZeroU32;
use std::time::Duration;

use super::throttle::DutyCycle;
use crate::read_models::commit::Batch;

/// Events of one batch of one partition.
const BATCH_EVENTS_MAX: u64 = 50_000;

/// Bytes of its deltas, about.
pub(crate) const BATCH_BYTES_MAX: usize = 16 << 20;

/// Reports of what is far behind the log show something new at least so often, but for the time of a commit.
const BATCH_TIME_MAX: Duration = Duration::from_millis(500);

/// Events of one batch, in one partition of a generation that reports do not need yet.
const WIDE_EVENTS_MAX: u64 = 10_000_000;

/// What is lost by a crash takes no longer than this to read again, and a checkpoint that moves is a sign of life.
const WIDE_TIME_MAX: Duration = Duration::from_secs(10);

/// Bounds of one batch. The envelope that reaches one of them is the last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchLimits {
    /// Events.
    pub(crate) batch_events_max: u64,
    /// Bytes of its deltas in memory, about.
    pub(crate) batch_bytes_max: usize,
    /// From its first envelope on, however slowly it is read.
    pub(crate) batch_time_max: Duration,
    /// Whether a batch may be wider in a generation that reports do not need yet.
    pub(crate) may_be_wide: bool,
    /// How hard is worked at it.
    pub(crate) duty_cycle: DutyCycle,
}

impl BatchLimits {
    /// Limits of the batches that reports come from. A configured number of events keeps all batches to it.
    pub(crate) fn ordinary(batch_events_max: Option<NonZeroU32>) -> Self {
        Self {
            batch_events_max: batch_events_max.map_or(BATCH_EVENTS_MAX, |max| u64::from(max.get())),
            batch_bytes_max: BATCH_BYTES_MAX,
            batch_time_max: BATCH_TIME_MAX,
            may_be_wide: batch_events_max.is_none(),
            duty_cycle: DutyCycle::Full,
        }
    }

    /// Limits for read models that reports do not need yet: a row that many events add to is written once, so a batch is as wide
    /// as memory allows.
    pub(crate) fn wide(batch_bytes_max: usize) -> Self {
        Self {
            batch_events_max: WIDE_EVENTS_MAX,
            batch_bytes_max,
            batch_time_max: WIDE_TIME_MAX,
            may_be_wide: true,
            duty_cycle: DutyCycle::Full,
        }
    }

    /// Whether a batch is to be committed before more is read.
    pub(crate) fn are_reached_by(&self, batch: &Batch) -> bool {
        batch.events() >= self.batch_events_max || batch.deltas.bytes() >= self.batch_bytes_max
    }
}
