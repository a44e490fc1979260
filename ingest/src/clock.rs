//! Clocks: the time, and how much of it has passed.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rustix::time::{ClockId, clock_gettime};

/// Clock that goes on while a machine is suspended. Other systems than Linux have none; there suspension is seen only by
/// the wall clock.
#[cfg(target_os = "linux")]
const SINCE_BOOT: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const SINCE_BOOT: ClockId = ClockId::Monotonic;

/// The present time.
#[expect(clippy::disallowed_methods, reason = "the one place that asks what time it is")]
pub fn now() -> DateTime<Utc> {
    Utc::now()
}

/// One moment by two clocks: the wall clock, which operators and NTP set, and one that is never set and that no suspension
/// stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) wall: DateTime<Utc>,
    pub(crate) since_boot: Duration,
}

impl Moment {
    pub(crate) fn now() -> Self {
        let since_boot = clock_gettime(SINCE_BOOT);
        Self { wall: now(), since_boot: Duration::try_from(since_boot).unwrap_or_default() }
    }

    /// Time since `earlier`, by the clock that shows more of it.
    pub(crate) fn since(&self, earlier: &Self) -> Duration {
        let by_wall = (self.wall - earlier.wall).to_std().unwrap_or_default();
        by_wall.max(self.since_boot.saturating_sub(earlier.since_boot))
    }

    /// Amount by which the wall clock was set since `earlier`, forward or back.
    pub(crate) fn step_since(&self, earlier: &Self) -> TimeDelta {
        let passed = TimeDelta::from_std(self.since_boot.saturating_sub(earlier.since_boot)).unwrap_or(TimeDelta::MAX);
        (self.wall - earlier.wall - passed).abs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(wall_s: i64, since_boot_s: u64) -> Moment {
        let wall = DateTime::from_timestamp(wall_s, 0).expect("an instant");
        Moment { wall, since_boot: Duration::from_secs(since_boot_s) }
    }

    #[test]
    fn time_passes_by_either_clock() {
        let earlier = moment(1_000, 50);
        assert_eq!(moment(1_007, 57).since(&earlier), Duration::from_secs(7));
        assert_eq!(moment(1_000, 57).since(&earlier), Duration::from_secs(7), "the clock was set back");
        assert_eq!(moment(1_100, 57).since(&earlier), Duration::from_secs(100), "the clock was set forward");
        assert_eq!(moment(900, 50).since(&earlier), Duration::ZERO);
    }

    #[test]
    fn a_clock_that_is_set_is_noticed() {
        let earlier = moment(1_000, 50);
        assert_eq!(moment(1_007, 57).step_since(&earlier), TimeDelta::zero());
        assert_eq!(moment(8_207, 57).step_since(&earlier), TimeDelta::hours(2));
        assert_eq!(moment(1_007 - 7_200, 57).step_since(&earlier), TimeDelta::hours(2));
    }
}
