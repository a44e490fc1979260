//! Comparison of the clocks of ingest and of the log's servers. The log stamps each envelope and remembers ids by these
//! stamps; ingest decides by its own clock which events lie in the future.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use crate::clock::Moment;

/// Maximum difference of two clocks. Servers with NTP differ by milliseconds.
pub(super) const DIFFERENCE_MAX: TimeDelta = TimeDelta::minutes(5);

/// One reading of a server's clock, and the moments by ingest's clock between which it was taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) asked: Moment,
    pub(super) answered: Moment,
    pub(super) server: DateTime<Utc>,
}

impl Reading {
    /// Lead of the server's clock over ingest's, negative where it is behind: the least value that the time of the request
    /// allows.
    pub(super) fn lead(&self) -> TimeDelta {
        let (ahead, behind) = (self.server - self.answered.wall, self.asked.wall - self.server);
        if ahead > TimeDelta::zero() {
            ahead
        } else if behind > TimeDelta::zero() {
            -behind
        } else {
            TimeDelta::zero()
        }
    }

    /// Message for the operator if the clocks differ too much.
    pub(super) fn difference(&self, server: &str) -> Option<String> {
        let shown = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
        (self.lead().abs() > DIFFERENCE_MAX).then(|| {
            format!(
                "the clock of the log's server {server} says {}, that of ingest says {}: set the wrong one (both follow \
                 NTP; at most {} minutes between them)",
                shown(self.server),
                shown(self.answered.wall),
                DIFFERENCE_MAX.num_minutes()
            )
        })
    }
}

/// Result of the last comparison.
#[derive(Debug, Default)]
pub(super) struct Clocks(Mutex<Option<Agreement>>);

/// A comparison in which the clocks agreed.
#[derive(Debug, Clone, Copy)]
struct Agreement {
    at: Moment,
    /// Lead of the log's foremost clock over ingest's; 0 where none was ahead.
    lead: TimeDelta,
}

/// The latest time that it can be by the clocks of ingest and log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Present {
    pub(crate) latest: DateTime<Utc>,
    /// Whether the clocks agree. Otherwise no event may be refused for good by its timestamp.
    pub(crate) is_sure: bool,
}

impl Clocks {
    /// Records a comparison with all servers in which none differed too much.
    pub(super) fn agree(&self, leads: impl Iterator<Item = TimeDelta>) {
        let lead = leads.max().unwrap_or_default().max(TimeDelta::zero());
        *self.lock() = Some(Agreement { at: Moment::now(), lead });
    }

    /// Records that a server's clock differs too much.
    pub(super) fn differ(&self) {
        *self.lock() = None;
    }

    /// The present time. Unsure before the first comparison, while clocks differ, and after a step of ingest's own clock.
    pub(super) fn present(&self) -> Present {
        let (now, agreement) = (Moment::now(), *self.lock());
        let lead = agreement.map_or_else(TimeDelta::zero, |agreement| agreement.lead);
        let is_sure = agreement.is_some_and(|agreement| now.step_since(&agreement.at) <= DIFFERENCE_MAX);
        Present { latest: now.wall + lead, is_sure }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Agreement>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(ahead: TimeDelta) -> Reading {
        let (asked, answered) = (Moment::now(), Moment::now());
        Reading { asked, answered, server: answered.wall + ahead }
    }

    #[test]
    fn clocks_may_differ_by_five_minutes_and_no_more() {
        for good in [TimeDelta::zero(), TimeDelta::minutes(5), TimeDelta::minutes(-5)] {
            assert_eq!(reading(good).difference("tidemark"), None, "{good}");
        }
        for bad in [TimeDelta::seconds(301), TimeDelta::hours(-2), TimeDelta::days(4_000)] {
            let said = reading(bad).difference("tidemark-2").expect("a difference");
            assert!(said.contains("server tidemark-2") && said.contains("that of ingest"), "{said}");
        }
    }

    #[test]
    fn the_way_of_the_answer_is_no_difference() {
        let asked = Moment::now();
        let answered = Moment { wall: asked.wall + TimeDelta::seconds(2), ..asked };
        let server = asked.wall + TimeDelta::seconds(1);
        assert_eq!(Reading { asked, answered, server }.lead(), TimeDelta::zero());
    }

    #[test]
    fn the_present_is_sure_once_clocks_agree() {
        let clocks = Clocks::default();
        assert!(!clocks.present().is_sure);
        clocks.agree([TimeDelta::minutes(-1), TimeDelta::minutes(4)].into_iter());
        let present = clocks.present();
        assert!(present.is_sure && present.latest > Moment::now().wall + TimeDelta::minutes(3));
        clocks.differ();
        assert!(!clocks.present().is_sure);
    }
}
