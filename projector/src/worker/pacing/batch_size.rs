//! How wide a batch of a partition may be. The wider, the less often a row is written that many events add to; but a commit
//! that takes too long makes others wait, and is given up in the end. One that was given up is not tried again as it was.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::limits::{BATCH_BYTES_MAX, BatchLimits};

/// Maximum bytes of the deltas in a wide batch. If a whole log fits into the first batch of a partition, it is copied,
/// several times as fast as adding to rows.
const BYTES_MAX: usize = 72 << 20;

/// Such a batch is never narrower, however long its commit takes.
const BYTES_MIN: usize = 1 << 20;

/// An ordinary batch is never narrower: that is some dozens of events, or one envelope.
const ORDINARY_BYTES_MIN: usize = 16 << 10;

/// What a commit may take. Beyond, batches become narrower.
const COMMIT_WANTED: Duration = Duration::from_secs(10);

/// The width of one partition's batches. Outlives faults: a batch that was too wide once is too wide the next time.
#[derive(Debug)]
pub(crate) struct BatchSize {
    bytes: AtomicUsize,
    bytes_min: usize,
    bytes_max: usize,
}

impl BatchSize {
    /// Size of batches that reports do not need yet.
    pub(crate) fn wide() -> Self {
        Self::within(BYTES_MIN, BYTES_MAX)
    }

    /// Size of all other batches.
    pub(crate) fn ordinary() -> Self {
        Self::within(ORDINARY_BYTES_MIN, BATCH_BYTES_MAX)
    }

    fn within(bytes_min: usize, bytes_max: usize) -> Self {
        Self { bytes: AtomicUsize::new(bytes_max), bytes_min, bytes_max }
    }

    /// Bounds of a wide batch.
    pub(crate) fn wide_limits(&self) -> BatchLimits {
        BatchLimits::wide(self.bytes())
    }

    /// Bounds of an ordinary batch.
    pub(crate) fn limits(&self, limits: BatchLimits) -> BatchLimits {
        BatchLimits { batch_bytes_max: limits.batch_bytes_max.min(self.bytes()), ..limits }
    }

    /// Notes how long the commit of a batch took that had so many bytes; `None`: it failed.
    pub(crate) fn committed(&self, bytes: usize, took: Option<Duration>) {
        let width = match took {
            Some(took) if took <= COMMIT_WANTED => self.bytes().max(bytes * 2),
            _ => bytes / 2,
        };
        self.bytes.store(width.clamp(self.bytes_min, self.bytes_max), Ordering::Relaxed);
    }

    fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_become_narrower_until_they_are_committed_in_time_and_wider_again() {
        let width = BatchSize::wide();
        let bytes = || width.wide_limits().batch_bytes_max;
        assert_eq!(bytes(), BYTES_MAX);
        width.committed(8 << 20, None);
        assert_eq!(bytes(), 4 << 20);
        width.committed(4 << 20, Some(COMMIT_WANTED * 2));
        assert_eq!(bytes(), 2 << 20);
        width.committed(2 << 20, Some(Duration::from_secs(1)));
        assert_eq!(bytes(), 4 << 20);
        width.committed(0, None);
        assert_eq!(bytes(), BYTES_MIN);
    }

    #[test]
    fn ordinary_batches_become_narrower_too() {
        let width = BatchSize::ordinary();
        let limits = BatchLimits::wide(BATCH_BYTES_MAX);
        let bytes = || width.limits(limits).batch_bytes_max;
        for half in [8 << 20, 4 << 20, 2 << 20] {
            width.committed(half * 2, None);
            assert_eq!(bytes(), half);
        }
        width.committed(0, None);
        assert_eq!(bytes(), ORDINARY_BYTES_MIN);
        for _ in 0..10 {
            width.committed(bytes(), Some(Duration::from_secs(1)));
        }
        assert_eq!(bytes(), BATCH_BYTES_MAX);
    }
}
