//! Random numbers: everything that the seed decides.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A sequence of its own for each purpose, so that one part's use of chance does not change what another part does.
pub(in crate::chaos) fn sequence(seed: u64, purpose: &str) -> StdRng {
    let fnv1a = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    StdRng::seed_from_u64(purpose.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, fnv1a))
}

/// Any time between two, both in milliseconds.
pub(in crate::chaos) fn between(random: &mut StdRng, least_ms: u64, most_ms: u64) -> Duration {
    Duration::from_millis(random.random_range(least_ms..=most_ms))
}

/// One of these.
pub(in crate::chaos) fn one_of<'a, T>(random: &mut StdRng, choices: &'a [T]) -> &'a T {
    &choices[random.random_range(0..choices.len())]
}
