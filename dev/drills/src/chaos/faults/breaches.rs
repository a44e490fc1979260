//! When the log broke a promise that an acknowledgement makes: ingest must not acknowledge then.

use std::time::Duration;

use tokio::time::Instant;

/// A promise that the log breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chaos) enum Breach {
    /// The server acknowledges before it syncs. It was started so, and ingest asks each server that it connects to.
    Unsynced,
    /// A stream discards old envelopes when it is full.
    Discarding,
    /// The server's clock is wrong.
    Clock,
    /// A stream takes no ordinary envelope. What it takes it keeps, so an acknowledgement is right all the same.
    SmallMessages,
}

/// All breaches of a run, one after the other.
#[derive(Debug, Default)]
pub(in crate::chaos) struct Breaches {
    all: Vec<(Breach, Instant, Option<Instant>)>,
}

impl Breach {
    /// How long ingest may take to notice: it looks at the log every few seconds, and the machine is busy. `None`: it may go
    /// on.
    fn notice(self) -> Option<Duration> {
        match self {
            Self::Unsynced => Some(Duration::ZERO),
            Self::Discarding | Self::Clock => Some(Duration::from_secs(15)),
            Self::SmallMessages => None,
        }
    }
}

impl Breaches {
    /// Takes down that one begins.
    pub(in crate::chaos) fn begin(&mut self, breach: Breach) {
        self.all.push((breach, Instant::now(), None));
    }

    /// Takes down that it is over.
    pub(in crate::chaos) fn end(&mut self) {
        let (.., end) = self.all.last_mut().expect("a breach that ends has begun");
        *end = Some(Instant::now());
    }

    /// Whether one lasts, or has just ended: ingest may not have noticed yet.
    pub(in crate::chaos) fn is_open(&self) -> bool {
        let lasts = |end: &Option<Instant>| end.is_none_or(|end| end.elapsed() < Duration::from_secs(15));
        self.all.last().is_some_and(|(.., end)| lasts(end))
    }

    /// The breach during which a request was sent and acknowledged, although there was time to notice.
    pub(in crate::chaos) fn during(&self, sent: Instant) -> Option<Breach> {
        let lasted = |(breach, begun, end): &(Breach, Instant, Option<Instant>)| {
            let is_noticed = breach.notice().is_some_and(|notice| sent > *begun + notice);
            (is_noticed && end.is_none()).then_some(*breach)
        };
        self.all.iter().find_map(lasted)
    }

    /// How many there were.
    pub(in crate::chaos) fn count(&self) -> usize {
        self.all.len()
    }
}
