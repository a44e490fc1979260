//! Count that a sketch shows, which never falls when users are added.
//!
//! HyperLogLog++ counts in four ways, one after another as a set grows: by the list, by the share of empty registers (linear
//! counting), by all registers with a correction of their bias, and by all registers alone. None of them falls when users
//! are added, but one may begin below the end of the one before: at the end of the list by up to 40 users, because the list
//! is nearly exact and registers have an error of 0.6 % there. So each way ends at a fixed number, and the next one begins
//! there. The count remains a function of the set alone.

use crate::Accuracy;

/// Maximum count of a list. Lists are bounded by their bytes, and end at 5,886 users on average, with a standard deviation of
/// 11 (1,500 simulated sets): one in a thousand is longer than this.
const LISTED_USERS_MAX: f64 = 5_920.0;

/// Maximum count of linear counting: the threshold of HyperLogLog++ for precision 14.
const LINEAR_USERS_MAX: f64 = 11_500.0;

/// Raw estimate at which the correction of bias ends: five users for each register, 81,920.
const CORRECTED_RAW_MAX: f64 = 5.0 * REGISTERS;

/// Corrected value of [`CORRECTED_RAW_MAX`], rounded up: the bias there is -42.6.
const CORRECTED_USERS_MAX: f64 = CORRECTED_RAW_MAX + 43.0;

const REGISTERS: f64 = 16_384.0;

/// The count that is shown for an estimate of a sketch with `empty_registers`.
pub(crate) fn monotone(estimate: f64, accuracy: Accuracy, empty_registers: u64) -> f64 {
    match accuracy {
        Accuracy::Listed => estimate.floor().min(LISTED_USERS_MAX),
        Accuracy::Estimated if is_linear(empty_registers) => estimate.round().max(LISTED_USERS_MAX),
        // In this range an estimate may be corrected or not: both are shown as the end of the corrected ones.
        Accuracy::Estimated if (CORRECTED_RAW_MAX..CORRECTED_USERS_MAX).contains(&estimate) => CORRECTED_USERS_MAX,
        Accuracy::Estimated => estimate.round().max(LINEAR_USERS_MAX),
    }
}

/// The count that folds before version 5 store.
pub(crate) fn plain(estimate: f64, accuracy: Accuracy) -> f64 {
    match accuracy {
        // A list counts a fraction too many.
        Accuracy::Listed => estimate.floor(),
        Accuracy::Estimated => estimate.round(),
    }
}

/// Whether HyperLogLog++ uses linear counting with this number of empty registers.
#[expect(clippy::cast_precision_loss, reason = "there are 16,384 registers")]
fn is_linear(empty_registers: u64) -> bool {
    empty_registers > 0 && REGISTERS * (REGISTERS / empty_registers as f64).ln() <= LINEAR_USERS_MAX
}
