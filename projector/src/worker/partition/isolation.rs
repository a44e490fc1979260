//! Bisection for the event that Postgres refuses. A batch is one transaction: one row that cannot be stored takes all
//! others with it, and tried again as it is, it would stop its partition for ever.
//!
//! A batch that was refused is read again from the checkpoint, half as far. Where that is committed, the event lies in
//! the other half. So its envelope is found after as many tries as the number of envelopes has bits, and its lines are
//! committed one by one: see `commit_lines.rs`.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Envelopes of a batch, from which on it is as wide as any other. Behind an event that was refused, batches begin with
/// one envelope and double: where many are refused, each costs few tries.
const WIDTH_MAX: u64 = 1 << 16;

/// How far a partition may be read at once, with regard to what was refused. Outlives faults of its owner.
#[derive(Debug, Default)]
pub(crate) struct Isolation(Mutex<Search>);

#[derive(Debug, Default, Clone, Copy)]
struct Search {
    /// What is refused lies behind the checkpoint, and not behind this sequence.
    suspect: Option<u64>,
    /// Envelopes of one batch.
    width: Option<u64>,
}

impl Isolation {
    /// How far to read from a checkpoint, where `until` is as far as it may be read at all.
    pub(crate) fn until(&self, from: u64, until: u64) -> u64 {
        let bounds = *self.lock();
        let half = bounds.suspect.filter(|last| *last > from).map(|last| from + ((last - from) / 2).max(1));
        let width = bounds.width.map(|width| from.saturating_add(width));
        [half, width].into_iter().flatten().fold(until, u64::min)
    }

    /// Whether the envelope behind a checkpoint is the one that is refused.
    pub(crate) fn is_found(&self, from: u64) -> bool {
        self.lock().suspect == Some(from + 1)
    }

    /// Notes that a batch was refused that ends at a sequence.
    pub(crate) fn refused(&self, last_sequence: u64) {
        *self.lock() = Search { suspect: Some(last_sequence), width: None };
    }

    /// Notes that a batch was committed that ends at a sequence.
    pub(crate) fn committed(&self, last_sequence: u64) {
        let mut bounds = self.lock();
        bounds.suspect = bounds.suspect.filter(|suspect| *suspect > last_sequence);
        bounds.width = bounds.width.map(|width| width * 2).filter(|width| *width < WIDTH_MAX);
    }

    /// Notes that what was refused is parked.
    pub(crate) fn parked(&self) {
        *self.lock() = Search { suspect: None, width: Some(1) };
    }

    fn lock(&self) -> MutexGuard<'_, Search> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows a partition of so many envelopes, of which some are refused; answers what was parked, and after how many
    /// tries.
    fn follow(envelopes: u64, refused: &[u64]) -> (Vec<u64>, u64) {
        let isolation = Isolation::default();
        let (mut checkpoint, mut parked, mut tries) = (0, Vec::new(), 0);
        while checkpoint < envelopes {
            tries += 1;
            assert!(tries < 10_000, "it does not get on at {checkpoint}");
            if isolation.is_found(checkpoint) {
                checkpoint += 1;
                if refused.contains(&checkpoint) {
                    parked.push(checkpoint);
                }
                isolation.parked();
                continue;
            }
            let last = isolation.until(checkpoint, envelopes);
            if refused.iter().any(|sequence| (checkpoint + 1..=last).contains(sequence)) {
                isolation.refused(last);
            } else {
                isolation.committed(last);
                checkpoint = last;
            }
        }
        (parked, tries)
    }

    #[test]
    fn what_is_refused_is_found_and_nothing_else_is_parked() {
        for refused in [&[1][..], &[1_000], &[500, 501], &[1, 2, 3, 999], &[333, 666]] {
            let (parked, tries) = follow(1_000, refused);
            assert_eq!(parked, refused);
            assert!(tries <= 30 * refused.len() as u64, "{tries} tries for {refused:?}");
        }
    }

    #[test]
    fn where_everything_is_refused_each_envelope_costs_few_tries() {
        let all: Vec<_> = (1..=100).collect();
        let (parked, tries) = follow(100, &all);
        assert_eq!(parked, all);
        assert!(tries <= 220, "{tries}");
    }

    #[test]
    fn what_was_refused_for_a_while_only_does_not_hold_anything_up() {
        let isolation = Isolation::default();
        isolation.refused(8);
        assert_eq!(isolation.until(0, 100), 4);
        isolation.committed(4);
        assert_eq!(isolation.until(4, 100), 6);
        isolation.committed(8);
        assert_eq!(isolation.until(8, 100), 100);
    }
}
