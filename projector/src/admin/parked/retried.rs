//! What became of parked events that were folded again.

use std::fmt;

/// What became of parked events.
#[derive(Debug, Default)]
pub(super) struct Retried {
    pub(super) counted: u64,
    pub(super) repeats: u64,
    pub(super) still_parked: u64,
}

impl Retried {
    pub(super) fn add(&mut self, other: &Self) {
        self.counted += other.counted;
        self.repeats += other.repeats;
        self.still_parked += other.still_parked;
    }
}

impl fmt::Display for Retried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { counted, repeats, still_parked } = self;
        write!(
            f,
            "Counted {counted} events, dropped {repeats} repeats; {still_parked} parked events still cannot be read."
        )
    }
}
