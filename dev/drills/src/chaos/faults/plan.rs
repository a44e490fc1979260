//! What is done to each process, and when.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;

use crate::chaos::faults::target::Target;
use crate::chaos::random;

/// One fault in this many is a freeze, the others are kills.
const FREEZE_ONE_IN: u32 = 4;

/// One strike in so many freezes a projector: a freeze can do to the owner of a partition what no kill can.
const FREEZE_PROJECTOR_ONE_IN: u32 = 2;

/// One fault in this many comes just after the process was started, where recovery is.
const EARLY_ONE_IN: u32 = 6;

/// How long a killed process stays away, in milliseconds.
const DOWN_MS: (u64, u64) = (50, 2_000);

/// One kill in this many keeps the process away for longer than anybody waits for it.
const DOWN_LONG_ONE_IN: u32 = 10;

/// How long that is.
const DOWN_LONG_MS: (u64, u64) = (5_500, 8_000);

/// How long a process stands still: less than a lease.
const FROZEN_MS: (u64, u64) = (200, 3_000);

/// How long a projector stands still two times in three: longer than its lease, so that another takes over.
const FROZEN_LONG_PROJECTOR_MS: (u64, u64) = (7_000, 11_000);

/// How long nats-server stands still two times in three: ingest gives its envelope to the log a second time, and has not
/// yet told its clients to come back later.
const FROZEN_LONG_NATS_MS: (u64, u64) = (2_200, 4_500);

/// What is done to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chaos) enum Fault {
    /// SIGKILL, and a start after this time.
    Kill(Duration),
    /// SIGSTOP for this time.
    Freeze(Duration),
}

/// A fault, and how long the process runs undisturbed before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chaos) struct Strike {
    pub(in crate::chaos) calm: Duration,
    pub(in crate::chaos) fault: Fault,
}

/// All strikes at one process, without an end.
#[derive(Debug)]
pub(in crate::chaos) struct Plan {
    random: StdRng,
    target: Target,
    calm_ms_max: u64,
    is_begun: bool,
}

impl Plan {
    /// The plan of a process under this seed.
    pub(in crate::chaos) fn of(seed: u64, target: Target, calm_seconds: u32) -> Self {
        let random = random::sequence(seed, target.name());
        Self { random, target, calm_ms_max: u64::from(calm_seconds) * 1_000, is_begun: false }
    }

    fn fault(&mut self) -> Fault {
        let random = &mut self.random;
        let is_projector = self.target.kind() == "projector";
        let freeze_one_in = if is_projector { FREEZE_PROJECTOR_ONE_IN } else { FREEZE_ONE_IN };
        // The first is a kill: a short run, too, kills every process.
        let is_first = !std::mem::replace(&mut self.is_begun, true);
        if is_first || random.random_range(0..freeze_one_in) > 0 {
            let is_long = !is_first && random.random_range(0..DOWN_LONG_ONE_IN) == 0;
            let (least, most) = if is_long { DOWN_LONG_MS } else { DOWN_MS };
            return Fault::Kill(random::between(random, least, most));
        }
        let (least, most) = match (self.target, random.random_ratio(2, 3)) {
            (Target::ProjectorA | Target::ProjectorB, true) => FROZEN_LONG_PROJECTOR_MS,
            (Target::Nats, true) => FROZEN_LONG_NATS_MS,
            _ => FROZEN_MS,
        };
        Fault::Freeze(random::between(random, least, most))
    }
}

impl Iterator for Plan {
    type Item = Strike;

    fn next(&mut self) -> Option<Strike> {
        let is_early = self.is_begun && self.random.random_range(0..EARLY_ONE_IN) == 0;
        let (least, most) = if is_early { (0, 500) } else { (self.calm_ms_max / 6, self.calm_ms_max) };
        let calm = random::between(&mut self.random, least, most);
        Some(Strike { calm, fault: self.fault() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_decides_everything() {
        let plan = |seed| Plan::of(seed, Target::Ingest, 18).take(50).collect::<Vec<_>>();
        assert_eq!(plan(1), plan(1));
        assert_ne!(plan(1), plan(2));
    }

    #[test]
    fn a_plan_begins_with_a_kill_and_has_both_kinds_of_fault() {
        for target in Target::ALL {
            let faults: Vec<_> = Plan::of(7, target, 18).take(100).map(|strike| strike.fault).collect();
            assert!(matches!(faults[0], Fault::Kill(_)));
            let freezes = faults.iter().filter(|fault| matches!(fault, Fault::Freeze(_))).count();
            assert!((10..=65).contains(&freezes), "{freezes} of 100 at {}", target.name());
        }
    }
}
