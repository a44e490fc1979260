//! The comparison of a report with as many days before.

use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;

use super::Stats;
use crate::params::DayRange;

/// The numbers of the days before, at the moment of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Previous {
    /// The first UTC day.
    #[schema(example = "2025-11-11")]
    pub(crate) from: NaiveDate,
    /// The last UTC day, inclusive.
    #[schema(example = "2025-11-11")]
    pub(crate) to: NaiveDate,
    #[schema(example = 1160)]
    pub(crate) total_views: u64,
    #[schema(example = 265)]
    pub(crate) unique_users: u64,
}

/// The changes since the days before.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Changes {
    pub(crate) total_views: Change,
    pub(crate) unique_users: Change,
}

/// The change of a number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub(crate) struct Change {
    /// The difference; negative if there are fewer.
    #[schema(example = 290)]
    pub(crate) absolute: i64,
    /// The change as a share of the number before; null where that is 0.
    #[schema(example = 0.25)]
    pub(crate) ratio: Option<f64>,
}

impl Stats {
    /// Adds the period before, and how the numbers have changed since.
    pub(super) fn compared_with(self, days: DayRange, views: u64, users: u64) -> Self {
        let changes = Changes {
            total_views: Change::between(views, self.total_views),
            unique_users: Change::between(users, self.unique_users),
        };
        let previous = Previous { from: days.first, to: days.last, total_views: views, unique_users: users };
        Self { previous: Some(previous), change: Some(changes), ..self }
    }
}

impl Change {
    #[expect(clippy::cast_precision_loss, reason = "counts are far fewer than 2^53, and none is the least")]
    fn between(before: u64, now: u64) -> Self {
        let absolute = now.checked_signed_diff(before).expect("both are stored as numbers with a sign");
        Self { absolute, ratio: (before > 0).then(|| absolute as f64 / before as f64) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_from_nothing_has_no_ratio() {
        for (before, now, absolute, ratio) in [
            (100, 125, 25, Some(0.25)),
            (125, 100, -25, Some(-0.2)),
            (7, 7, 0, Some(0.0)),
            (5, 0, -5, Some(-1.0)),
            (0, 5, 5, None),
            (0, 0, 0, None),
        ] {
            assert_eq!(Change::between(before, now), Change { absolute, ratio });
        }
    }
}
