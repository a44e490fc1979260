//! Distinct users of several sets, with bounds from the counts of the sets.
//!
//! The estimate of a union alone may contradict the counts of its parts. A union has at least as many users as its largest
//! part, and at most as many as all parts together, so the estimate is kept between these bounds.

use crate::{Accuracy, NotAdded, RELATIVE_STD_ERROR, SealedSketch, Union};

/// Confidence that the true number is between the bounds of an estimate.
pub const INTERVAL_CONFIDENCE: f64 = 0.95;

/// Standard errors to either side that give [`INTERVAL_CONFIDENCE`].
const INTERVAL_STD_ERRORS: f64 = 1.96;

/// A number of users with its confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Number of users.
    pub users: u64,
    /// Accuracy of the number.
    pub accuracy: Accuracy,
    /// Lower end of the confidence interval; equal to `users` if the number is not estimated.
    pub low: u64,
    /// Upper end of the confidence interval; equal to `users` if the number is not estimated.
    pub high: u64,
}

/// Bounds of a union, from the counts of its parts.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Count of the largest part.
    pub least: u64,
    /// Sum of the counts, if the parts have no user in common.
    pub most: u64,
    /// Lower bound of the true number: the highest lower end of a part.
    pub low: u64,
    /// Upper bound of the true number: the sum of the upper ends.
    pub high: u64,
}

/// Union of several sets, with the bounds from their counts.
#[derive(Debug, Default)]
pub struct Members {
    union: Union,
    bounds: Bounds,
}

impl Count {
    /// The number of users of a sketch.
    pub fn new(users: u64, accuracy: Accuracy) -> Self {
        let margin = match accuracy {
            Accuracy::Listed => 0,
            Accuracy::Estimated => margin(users),
        };
        Self { users, accuracy, low: users.saturating_sub(margin), high: users.saturating_add(margin) }
    }
}

impl Default for Count {
    /// No users, with certainty.
    fn default() -> Self {
        Self::new(0, Accuracy::Listed)
    }
}

impl From<Count> for Bounds {
    fn from(Count { users, low, high, .. }: Count) -> Self {
        Self { least: users, most: users, low, high }
    }
}

impl Bounds {
    fn and(self, other: Self) -> Self {
        Self {
            least: self.least.max(other.least),
            most: self.most.saturating_add(other.most),
            low: self.low.max(other.low),
            high: self.high.saturating_add(other.high),
        }
    }
}

impl Members {
    /// Adds a set, or a union of sets: its bounds, and its stored sketch.
    ///
    /// # Errors
    ///
    /// The sketch is damaged, or has another key than those before.
    pub fn add(&mut self, bounds: Bounds, sketch: &[u8]) -> Result<(), NotAdded> {
        self.union.add(sketch)?;
        self.bounds = self.bounds.and(bounds);
        Ok(())
    }

    /// Bounds of all sets so far.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// The number of users of all sets together, and their sketch; `None` without any set.
    ///
    /// # Errors
    ///
    /// A sketch had impossible registers.
    pub fn end(self) -> Result<Option<(Count, Vec<u8>)>, NotAdded> {
        let Some(mut sketch) = self.union.into_sketch()? else { return Ok(None) };
        let SealedSketch { users, accuracy, bytes, .. } = sketch.seal();
        let Bounds { least, most, low, high } = self.bounds;
        let count = Count::new(users.max(least).min(most), accuracy);
        Ok(Some((Count { low: count.low.max(low), high: count.high.min(high), ..count }, bytes)))
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "users are far fewer than 2^53, and none is the least"
)]
fn margin(users: u64) -> u64 {
    (INTERVAL_STD_ERRORS * RELATIVE_STD_ERROR * users as f64).round() as u64
}
