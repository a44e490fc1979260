//! When the log broke a promise that an acknowledgement makes: ingest must not acknowledge then.

use std::time::Duration;

use tokio::time::Instant;

/// A promise that the log breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Breach {
    /// The server acknowledges before it syncs. It was started so, and ingest asks each server that it connects to.
    Unsynced,
    /// A stream discards old envelopes when it is full.
    Discarding,
    /// The server's clock is wrong.
    Clock,
}

/// All breaches of a run, one after the other.
#[derive(Debug, Default)]
pub(super) struct Breaches {
    all: Vec<(Breach, Instant, Option<Instant>)>,
}

impl Breach {
    /// How long ingest may take to notice: it looks at the log every few seconds, and the machine is busy.
    fn notice(self) -> Duration {
        match self {
            Self::Unsynced => Duration::ZERO,
            Self::Discarding | Self::Clock => Duration::from_secs(15),
        }
    }
}

impl Breaches {
    /// Takes down that one begins.
    pub(super) fn begin(&mut self, breach: Breach) {
        self.all.push((breach, Instant::now(), None));
    }

    /// Takes down that it is over.
    pub(super) fn end(&mut self) {
        let (.., end) = self.all.last_mut().expect("a breach that ends has begun");
        *end = Some(Instant::now());
    }

    /// Whether one lasts, or has just ended: ingest may not have noticed yet.
    pub(super) fn is_open(&self) -> bool {
        let lasts = |end: &Option<Instant>| end.is_none_or(|end| end.elapsed() < Duration::from_secs(15));
        self.all.last().is_some_and(|(.., end)| lasts(end))
    }

    /// The breach during which a request was sent and acknowledged, although there was time to notice.
    pub(super) fn during(&self, sent: Instant) -> Option<Breach> {
        let lasted = |(breach, begun, end): &(Breach, Instant, Option<Instant>)| {
            (sent > *begun + breach.notice() && end.is_none()).then_some(*breach)
        };
        self.all.iter().find_map(lasted)
    }

    /// How many there were.
    pub(super) fn count(&self) -> usize {
        self.all.len()
    }
}
