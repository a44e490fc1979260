//! What became of parked events that were folded again.

use std::collections::BTreeMap;
use std::fmt;

use crate::read_models::generation::GenerationId;

/// What became of parked events.
#[derive(Debug, Default)]
pub(super) struct Retried {
    pub(super) counted: u64,
    pub(super) repeats: u64,
    pub(super) still_parked: u64,
    /// Parked events of generations that cannot be counted in here.
    left: BTreeMap<GenerationId, Left>,
}

#[derive(Debug)]
struct Left {
    events: usize,
    reason: String,
}

impl Retried {
    pub(super) fn add(&mut self, other: &Self) {
        self.counted += other.counted;
        self.repeats += other.repeats;
        self.still_parked += other.still_parked;
    }

    /// Notes that events of a generation were not folded again.
    pub(super) fn leave(&mut self, generation: GenerationId, events: usize, reason: String) {
        self.left.entry(generation).or_insert(Left { events: 0, reason }).events += events;
    }
}

impl fmt::Display for Retried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { counted, repeats, still_parked, left } = self;
        write!(
            f,
            "Counted {counted} events, dropped {repeats} repeats; {still_parked} parked events still cannot be read."
        )?;
        for (generation, Left { events, reason }) in left {
            write!(f, "\n{events} parked events of generation {generation} were not tried: {reason}.")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_tried_is_told_of_each_generation() {
        let mut retried = Retried { counted: 3, repeats: 1, still_parked: 2, ..Retried::default() };
        for events in [200, 7] {
            retried.leave(GenerationId(4), events, "it was built with another SKETCH_KEY".to_owned());
        }
        let said = "Counted 3 events, dropped 1 repeats; 2 parked events still cannot be read.\n\
                    207 parked events of generation 4 were not tried: it was built with another SKETCH_KEY.";
        assert_eq!(retried.to_string(), said);
    }
}
