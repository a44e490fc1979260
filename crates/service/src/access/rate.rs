//! How often, and how much: so many requests, events or bytes a second, and some at once after a pause. One instant a client
//! is all it takes (GCRA, the leaky bucket as a meter).
//!
//! The table of clients has a bound. A client whose allowance is whole again is forgotten without a difference. Where
//! more than that many are busy at once, those who come new share one allowance: they cannot make anybody forgotten, nor
//! take memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Clients that are remembered. An entry is some 80 bytes with its share of empty places, together 5 MiB.
pub(super) const CLIENTS_MAX: usize = 65_536;

/// Between two searches for clients that can be forgotten: one takes about a millisecond, in which others wait.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);

/// The largest rate and burst that make sense: a gigabyte a second.
const NUMBER_MAX: u32 = 1_000_000_000;

/// So many requests, events or bytes a second, and at most `burst` at once: `50`, or `50:200`. Without the second number the burst is what
/// a second allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    per_second: u32,
    burst: u32,
}

impl TryFrom<String> for Rate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = |text: &str| text.parse().ok().filter(|number| (1..=NUMBER_MAX).contains(number));
        let (per_second, burst) = text.split_once(':').unwrap_or((&text, &text));
        let (per_second, burst) = number(per_second).zip(number(burst)).ok_or_else(|| {
            format!(
                "RATE_PER_ADDRESS, RATE_PER_KEY, and those of events and bytes (RATE_EVENTS_PER_ADDRESS, RATE_BYTES_PER_ADDRESS, \
                RATE_EVENTS_PER_KEY, RATE_BYTES_PER_KEY) are written 50, or 50:200 with a burst, both 1 to {NUMBER_MAX}; not \
                \"{text}\""
            )
        })?;
        Ok(Self { per_second, burst })
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        format!("{}:{}", rate.per_second, rate.burst)
    }
}

/// Why an allowance does not suffice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excess {
    /// It will, after this time.
    Wait(Duration),
    /// It never will: so much at most may come at once.
    Never(u32),
}

impl Rate {
    /// A rate that is no variable's.
    pub(crate) const fn of(per_second: u32, burst: u32) -> Self {
        Self { per_second, burst }
    }

    /// In what time an allowance grows by so much.
    fn interval(self, amount: u32) -> Duration {
        Duration::from_nanos(u64::from(amount) * 1_000_000_000 / u64::from(self.per_second))
    }

    /// The next instant at which an allowance is whole, if so much more may be.
    fn take(self, whole_at: Instant, amount: u32, now: Instant) -> Result<Instant, Excess> {
        if amount > self.burst {
            return Err(Excess::Never(self.burst));
        }
        let next = whole_at.max(now) + self.interval(amount);
        match next.duration_since(now).checked_sub(self.interval(self.burst)) {
            None | Some(Duration::ZERO) => Ok(next),
            Some(wait) => Err(Excess::Wait(wait)),
        }
    }
}

/// Allowances of all clients.
#[derive(Debug)]
pub(super) struct Allowances<K> {
    rate: Rate,
    clients_max: usize,
    table: Mutex<Table<K>>,
}

#[derive(Debug)]
struct Table<K> {
    /// When a client's allowance is whole again.
    whole_at: HashMap<K, Instant>,
    /// The same of those who find no place.
    others_whole_at: Instant,
    swept: Instant,
}

impl<K: Eq + Hash> Allowances<K> {
    pub(super) fn new(rate: Rate, clients_max: usize, now: Instant) -> Self {
        let table = Table { whole_at: HashMap::new(), others_whole_at: now, swept: now };
        Self { rate, clients_max, table: Mutex::new(table) }
    }

    /// Takes so much from a client's allowance, or says why not; then it takes nothing.
    pub(super) fn take(&self, client: K, amount: u32, now: Instant) -> Result<(), Excess> {
        let mut table = self.table.lock().expect("nobody panics with the lock");
        if let Some(whole_at) = table.whole_at.get_mut(&client) {
            *whole_at = self.rate.take(*whole_at, amount, now)?;
            return Ok(());
        }
        if table.whole_at.len() >= self.clients_max {
            table.sweep(now);
        }
        if table.whole_at.len() >= self.clients_max {
            table.others_whole_at = self.rate.take(table.others_whole_at, amount, now)?;
        } else {
            table.whole_at.insert(client, self.rate.take(now, amount, now)?);
        }
        Ok(())
    }
}

impl<K> Table<K> {
    fn sweep(&mut self, now: Instant) {
        if now.duration_since(self.swept) >= SWEEP_PAUSE {
            self.whole_at.retain(|_, whole_at| *whole_at > now);
            self.swept = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Rate {
        Rate::try_from(text.to_owned()).expect("a rate")
    }

    fn allowances(text: &str, clients_max: usize) -> (Allowances<u32>, Instant) {
        let now = Instant::now();
        (Allowances::new(rate(text), clients_max, now), now)
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let (allowances, begun) = allowances("10:5", 8);
        let allowed = |client, ms| allowances.take(client, 1, begun + Duration::from_millis(ms));
        assert!((0..5).all(|_| allowed(1, 0).is_ok()));
        assert_eq!(allowed(1, 0), Err(Excess::Wait(Duration::from_millis(100))), "refused, and told for how long");
        assert_eq!(allowed(1, 60), Err(Excess::Wait(Duration::from_millis(40))), "what is refused takes nothing");
        assert!(allowed(2, 0).is_ok(), "another client");
        assert!(allowed(1, 100).is_ok() && allowed(1, 100).is_err());
        assert!((0..5).all(|_| allowed(1, 10_000).is_ok()) && allowed(1, 10_000).is_err(), "no more than a burst");
    }

    #[test]
    fn much_at_once_waits_and_what_exceeds_the_burst_never_comes() {
        let (allowances, begun) = allowances("1000000:3000000", 8);
        let take = |amount, ms| allowances.take(1, amount, begun + Duration::from_millis(ms));
        assert_eq!(take(3_000_001, 0), Err(Excess::Never(3_000_000)));
        assert!(take(3_000_000, 0).is_ok());
        assert_eq!(take(2_000_000, 500), Err(Excess::Wait(Duration::from_millis(1_500))));
        assert!(take(2_000_000, 2_000).is_ok(), "after the time that was told");
        assert_eq!(take(1, 2_000), Err(Excess::Wait(Duration::from_micros(1))));
    }

    #[test]
    fn over_a_long_time_it_is_the_rate() {
        let (allowances, begun) = allowances("100:20", 8);
        let taken = (0..10_000).filter(|ms| allowances.take(1, 1, begun + Duration::from_millis(*ms)).is_ok()).count();
        assert!((1_015..=1_021).contains(&taken), "{taken}");
    }

    #[test]
    fn the_table_has_a_bound_and_newcomers_share_when_it_is_full() {
        let (allowances, begun) = allowances("1:2", 100);
        let at = |s| begun + Duration::from_secs(s);
        for client in 0..100 {
            assert!(allowances.take(client, 1, at(5)).is_ok());
        }
        let newcomers = (100..1_000).filter(|client| allowances.take(*client, 1, at(5)).is_ok()).count();
        assert_eq!(newcomers, 2, "one allowance for all of them");
        assert!(allowances.take(0, 1, at(5)).is_ok(), "who is known has one of one's own");
        assert_eq!(allowances.table.lock().expect("no panic").whole_at.len(), 100);
        assert!(allowances.take(2_000, 1, at(8)).is_ok(), "who was quiet is forgotten");
        assert_eq!(allowances.table.lock().expect("no panic").whole_at.len(), 1);
    }

    #[test]
    fn a_rate_is_read_or_refused() {
        assert_eq!(rate("50"), rate("50:50"));
        assert_eq!(String::from(rate("50:200")), "50:200");
        for text in ["", "0", "-1", "1.5", "50:", "50:0", ":50", "50:50:50", "1000000001", "50 "] {
            assert!(Rate::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
