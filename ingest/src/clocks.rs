//! Whether the clocks of ingest and of the log's servers agree. The log stamps each envelope, and ids are remembered by
//! these stamps; ingest decides by its own clock what lies in the future.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use crate::clock::Moment;

/// The most that two clocks may differ by. Servers with NTP differ by milliseconds.
pub(crate) const DIFFERENCE_MAX: TimeDelta = TimeDelta::minutes(5);

/// What time a server has, and when it was asked by ingest's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) asked: Moment,
    pub(crate) answered: Moment,
    pub(crate) server: DateTime<Utc>,
}

impl Reading {
    /// By how much the server's clock is ahead of ingest's, or behind it where that is negative: the least that the time
    /// of the answer's way allows.
    pub(crate) fn lead(&self) -> TimeDelta {
        let (ahead, behind) = (self.server - self.answered.wall, self.asked.wall - self.server);
        if ahead > TimeDelta::zero() {
            ahead
        } else if behind > TimeDelta::zero() {
            -behind
        } else {
            TimeDelta::zero()
        }
    }

    /// What an operator is told of clocks that differ too much.
    pub(crate) fn difference(&self, server: &str) -> Option<String> {
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

/// What is known of the clocks.
#[derive(Debug, Default)]
pub(crate) struct Clocks(Mutex<Option<Agreement>>);

/// The clocks agreed at this moment.
#[derive(Debug, Clone, Copy)]
struct Agreement {
    at: Moment,
    /// By how much the foremost of the log's clocks was ahead of ingest's; 0 where none was.
    lead: TimeDelta,
}

/// The latest that it can be by the clocks of ingest and log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Present {
    pub(crate) latest: DateTime<Utc>,
    /// Whether the clocks agree. Otherwise nothing may be refused for good by what time it is.
    pub(crate) is_sure: bool,
}

impl Clocks {
    /// All servers were asked, and none differs too much.
    pub(crate) fn agree(&self, leads: impl Iterator<Item = TimeDelta>) {
        let lead = leads.max().unwrap_or_default().max(TimeDelta::zero());
        *self.lock() = Some(Agreement { at: Moment::now(), lead });
    }

    /// One of them does.
    pub(crate) fn differ(&self) {
        *self.lock() = None;
    }

    /// What time it is. Not sure before the log was asked, while its clock differs, and once ingest's was set since.
    pub(crate) fn present(&self) -> Present {
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
