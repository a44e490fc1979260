//! How many users a sketch shows: never fewer when users are added.
//!
//! HyperLogLog++ counts in four ways, one after another as a set grows: by its list, by the share of registers that are
//! empty, by all registers with a correction for their bias, and by all registers alone. Each of them never goes down
//! when users are added, but one may begin below where the one before it has ended: at the end of the list by up to 40
//! users, as its error is next to none and that of registers is 0.6 % there. So each way ends at a fixed number, and the
//! next one begins there. The number stays a function of the set alone.

use super::Accuracy;

/// Users that a list shows at most. Lists are bounded by their bytes, and end with 5,886 users on average, with a standard
/// deviation of 11 (1,500 simulated sets): one in a thousand is longer than this.
const LISTED_USERS_MAX: f64 = 5_920.0;

/// Where counting by empty registers ends: the threshold of HyperLogLog++ for precision 14.
const LINEAR_USERS_MAX: f64 = 11_500.0;

/// Where the correction for bias ends: raw estimates of five times as many users as registers, 81,920.
const CORRECTED_RAW_MAX: f64 = 5.0 * REGISTERS;

/// What a raw estimate of [`CORRECTED_RAW_MAX`] is corrected to, rounded up: the bias there is -42.6.
const CORRECTED_USERS_MAX: f64 = CORRECTED_RAW_MAX + 43.0;

const REGISTERS: f64 = 16_384.0;

/// The number that is shown, for an estimate of a sketch with so many empty registers.
pub(super) fn monotone(estimate: f64, accuracy: Accuracy, empty_registers: u64) -> f64 {
    match accuracy {
        Accuracy::Listed => estimate.floor().min(LISTED_USERS_MAX),
        Accuracy::Estimated if is_linear(empty_registers) => estimate.round().max(LISTED_USERS_MAX),
        // Here a corrected estimate cannot be told from one that is not: both are shown as the end of the corrected ones.
        Accuracy::Estimated if (CORRECTED_RAW_MAX..CORRECTED_USERS_MAX).contains(&estimate) => CORRECTED_USERS_MAX,
        Accuracy::Estimated => estimate.round().max(LINEAR_USERS_MAX),
    }
}

/// The number that folds before version 5 have stored.
pub(super) fn plain(estimate: f64, accuracy: Accuracy) -> f64 {
    match accuracy {
        // A list never misses users, but counts a fraction too many of them.
        Accuracy::Listed => estimate.floor(),
        Accuracy::Estimated => estimate.round(),
    }
}

/// Whether HyperLogLog++ counts so many empty registers, and nothing else.
#[expect(clippy::cast_precision_loss, reason = "there are 16,384 registers")]
fn is_linear(empty_registers: u64) -> bool {
    empty_registers > 0 && REGISTERS * (REGISTERS / empty_registers as f64).ln() <= LINEAR_USERS_MAX
}
