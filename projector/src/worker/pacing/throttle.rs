//! Throttles builds that have time, so that ingest and query on the same machine keep their processors.
//!
//! Only folding is done with rests. A commit is done in one go: as long as its transaction is open, Postgres keeps
//! whatever live counting replaces, and reports read past it. With rests that was half a minute, in which the 99th
//! percentile of reports doubled.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Share of the time in which a build works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DutyCycle {
    /// Always.
    Full,
    /// A tenth of the time.
    Gentle,
}

/// Time of work between two rests: a few time slices of the scheduler.
const WORK: Duration = Duration::from_millis(5);

/// What takes longer was not work, but waiting for the log. A rest stays far below `REST_MAX` of the log reader: it is 90 ms at
/// most.
const WORK_MAX: Duration = Duration::from_millis(10);

/// A rest is this many times as long as the work before it.
const RESTS: u32 = 9;

/// The rests between pieces of work.
#[derive(Debug)]
pub(crate) struct Throttle {
    duty_cycle: DutyCycle,
    since: Instant,
}

impl DutyCycle {
    /// Time that some work takes, with its rests.
    pub(crate) fn lasting(self, work: Duration) -> Duration {
        match self {
            Self::Full => work,
            Self::Gentle => work * (1 + RESTS),
        }
    }

    /// Rests from now on.
    pub(crate) fn begin(self) -> Throttle {
        Throttle { duty_cycle: self, since: Instant::now() }
    }
}

impl Throttle {
    /// Rests if it is time to; called after each piece of work.
    pub(crate) async fn rest(&mut self) {
        let worked = self.since.elapsed();
        if self.duty_cycle == DutyCycle::Gentle && worked >= WORK {
            sleep(worked.min(WORK_MAX) * RESTS).await;
            self.since = Instant::now();
        }
    }
}
