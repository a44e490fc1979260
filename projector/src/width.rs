//! How wide a batch of a partition may be that nobody looks at yet. The wider, the less often a row is written that many
//! events add to; but a commit that takes too long makes others wait, and is given up in the end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::config::Limits;

/// Bytes of the deltas in one of them. Where all that a log has fits into a partition's first batch, it is copied, several
/// times as fast as what is added to rows that are there.
const BYTES_MAX: usize = 72 << 20;

/// A batch is never narrower, however long its commit takes.
const BYTES_MIN: usize = 1 << 20;

/// What a commit may take. Beyond, batches become narrower.
const COMMIT_WANTED: Duration = Duration::from_secs(10);

/// The width of one partition's batches. Outlives faults: a batch that was too wide once is too wide the next time.
#[derive(Debug)]
pub(crate) struct Width(AtomicUsize);

impl Width {
    pub(crate) fn new() -> Self {
        Self(AtomicUsize::new(BYTES_MAX))
    }

    /// Bounds of a batch.
    pub(crate) fn limits(&self) -> Limits {
        Limits::wide(self.0.load(Ordering::Relaxed))
    }

    /// Notes how long the commit of a batch took that had so many bytes; `None`: it failed.
    pub(crate) fn committed(&self, bytes: usize, took: Option<Duration>) {
        let width = match took {
            Some(took) if took <= COMMIT_WANTED => self.0.load(Ordering::Relaxed).max(bytes * 2),
            _ => bytes / 2,
        };
        self.0.store(width.clamp(BYTES_MIN, BYTES_MAX), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_become_narrower_until_they_are_committed_in_time_and_wider_again() {
        let width = Width::new();
        let bytes = || width.limits().batch_bytes_max;
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
}
