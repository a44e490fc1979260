//! Several sets, of which the members are wanted once.
//!
//! A sketch estimates. Together with what is known of its parts the answer stays plausible: several sets have at least
//! as many members as the largest of them, and at most as many as all of them together.

use super::{Accuracy, NotAdded, RELATIVE_STD_ERROR, SealedSketch, Union};

/// How sure it is that the truth is between the bounds of an estimate.
pub const INTERVAL_CONFIDENCE: f64 = 0.95;

/// Standard errors to either side that give that confidence.
const INTERVAL_STD_ERRORS: f64 = 1.96;

/// How many users there are, and how sure that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// That many.
    pub users: u64,
    /// How the number came about.
    pub accuracy: Accuracy,
    /// Between `low` and `high` is the truth, if it is estimated; if not, both are `users`.
    pub low: u64,
    /// See `low`.
    pub high: u64,
}

/// What the counts of some sets say about all of them together.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// What the largest set counts to.
    pub least: u64,
    /// What all of them come to if they have nobody in common.
    pub most: u64,
    /// The truth is at least what the lowest end of any set says.
    pub low: u64,
    /// And at most what all highest ends say together.
    pub high: u64,
}

/// Sets of which the members are wanted once.
#[derive(Debug, Default)]
pub struct Members {
    union: Union,
    bounds: Bounds,
}

impl Count {
    /// What a sketch counts to.
    pub fn new(users: u64, accuracy: Accuracy) -> Self {
        let margin = match accuracy {
            Accuracy::Listed => 0,
            Accuracy::Estimated => margin(users),
        };
        Self { users, accuracy, low: users.saturating_sub(margin), high: users.saturating_add(margin) }
    }
}

impl Default for Count {
    /// Nobody, for sure.
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
    /// Adds a set, or several whose sketch is one already: what is known of them, and their stored sketch.
    ///
    /// # Errors
    ///
    /// It is damaged, or was made under another key than those before it.
    pub fn add(&mut self, bounds: Bounds, sketch: &[u8]) -> Result<(), NotAdded> {
        self.union.add(sketch)?;
        self.bounds = self.bounds.and(bounds);
        Ok(())
    }

    /// What is known of all sets so far.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// What all sets together count to, and their sketch; none, if there are no sets.
    ///
    /// # Errors
    ///
    /// One of the sketches had registers that cannot be.
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
