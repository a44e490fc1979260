//! The metadata of a report: the part of the log that it contains, what is missing, and how exact its users are.

use contract::sketch::{
    Accuracy, Count, INTERVAL_CONFIDENCE, LISTED_CONFIDENCE, LISTED_ERROR_MAX, PRECISION, RELATIVE_STD_ERROR,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::positions::Positions;
use crate::reports::log_position::LogPosition;

/// The part of the log that a report contains, and how exact its users are, at the moment of the report.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Meta {
    /// The generation of the read models that the report comes from.
    #[schema(example = 3)]
    pub(crate) generation: i32,
    /// The last sequence of each partition of the log that the report contains. The event of receipt `0-4711-0` is contained if
    /// partition 0 is at 4711 or later.
    #[schema(value_type = std::collections::BTreeMap<String, u64>, example = json!({"0": 4711, "1": 4650}))]
    as_of: LogPosition,
    /// Events in the log that the report does not contain yet: an estimate, exact when it is 0.
    #[schema(example = 12)]
    pub(crate) lag_events: u64,
    /// Seconds: no event that the report does not contain is older than this. 0 if there is none.
    #[schema(example = 0.4)]
    pub(crate) lag_seconds: f64,
    /// Whether the report contains every event that the log had a moment ago. Also false if that is not known.
    pub(crate) complete: bool,
    pub(crate) unique_users_error: UsersError,
}

/// The error of `unique_users`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "method", rename_all = "lowercase")]
pub(crate) enum UsersError {
    /// The users are listed, and exact except for a few.
    Sparse {
        /// The largest error, in users.
        #[schema(example = 3)]
        max_abs_error: u64,
        /// The probability that the error is no larger.
        #[schema(example = 0.99)]
        confidence: f64,
    },
    /// The users are estimated by a HyperLogLog.
    Hll {
        /// The binary logarithm of its number of registers.
        #[schema(example = 14)]
        precision: u8,
        /// The standard error as a share of the number.
        #[schema(example = 0.0081)]
        relative_std_error: f64,
        /// The probability that the number is between `low` and `high`.
        #[schema(example = 0.95)]
        confidence: f64,
        #[schema(example = 47_445)]
        low: u64,
        #[schema(example = 48_975)]
        high: u64,
    },
}

impl Meta {
    pub(super) fn of(generation: i32, positions: &Positions, users: Count) -> Self {
        Self {
            generation,
            as_of: positions.log_position(),
            lag_events: positions.lag_events(),
            lag_seconds: positions.lag().as_secs_f64(),
            complete: positions.are_complete(),
            unique_users_error: users.into(),
        }
    }
}

impl From<Count> for UsersError {
    fn from(count: Count) -> Self {
        match count.accuracy {
            Accuracy::Listed => Self::Sparse { max_abs_error: LISTED_ERROR_MAX, confidence: LISTED_CONFIDENCE },
            Accuracy::Estimated => Self::Hll {
                precision: PRECISION,
                relative_std_error: RELATIVE_STD_ERROR,
                confidence: INTERVAL_CONFIDENCE,
                low: count.low,
                high: count.high,
            },
        }
    }
}
