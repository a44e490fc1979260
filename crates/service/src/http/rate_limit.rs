//! Rate limits by client, with GCRA (the leaky bucket as a meter): the state of a client is one instant.
//!
//! The table of clients has a bound. A client whose allowance is full again can be forgotten without a difference. While
//! the table is full of busy clients, all new ones share one allowance: they neither displace known clients nor take memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::ApiError;

/// Maximum clients in a table. An entry takes some 80 bytes with its share of empty slots, so the table 5 MiB.
pub(crate) const CLIENTS_MAX: usize = 65_536;

/// Minimum interval between two searches for clients that can be forgotten; one takes about a millisecond under the lock.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);

/// Maximum rate and burst: a gigabyte a second.
const NUMBER_MAX: u32 = 1_000_000_000;

/// A rate a second, and the maximum at once: `50`, or `50:200` with a burst. Without the second number the burst is the
/// amount of one second.
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

/// Reason for which an allowance does not suffice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Excess {
    /// The allowance suffices after this time.
    Wait(Duration),
    /// The allowance never suffices: this is the maximum at once.
    Never(u32),
}

/// Quantity that a rate bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantity {
    Requests,
    Events,
    Bytes,
}

/// A rate that a request exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateExceeded {
    /// Owner of the allowance: `address` or `key`.
    pub(crate) of: &'static str,
    pub(crate) quantity: Quantity,
    pub(crate) excess: Excess,
}

impl Quantity {
    fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Events => "events",
            Self::Bytes => "bytes",
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::Requests => "too_many_requests",
            Self::Events => "too_many_events_per_second",
            Self::Bytes => "too_many_bytes_per_second",
        }
    }
}

impl RateExceeded {
    pub(crate) fn error(self) -> ApiError {
        let (of, name) = (self.of, self.quantity.name());
        match self.excess {
            Excess::Wait(wait) => {
                let error = format!("too many {name} of this {of}; send this again later");
                ApiError::too_many(self.quantity.code(), error, wait)
            }
            Excess::Never(most) => {
                let error =
                    format!("at most {most} {name} of this {of} are taken at once; send fewer {name} in each request");
                ApiError::too_large("batch_exceeds_rate", error)
            }
        }
    }
}

impl Rate {
    /// A constant rate.
    pub(crate) const fn of(per_second: u32, burst: u32) -> Self {
        Self { per_second, burst }
    }

    /// Time in which an allowance grows by `amount`.
    fn interval(self, amount: u32) -> Duration {
        Duration::from_nanos(u64::from(amount) * 1_000_000_000 / u64::from(self.per_second))
    }

    /// Takes `amount` from an allowance that is full at `full_at`, and returns the instant at which it is full again.
    fn take(self, full_at: Instant, amount: u32, now: Instant) -> Result<Instant, Excess> {
        if amount > self.burst {
            return Err(Excess::Never(self.burst));
        }
        let next = full_at.max(now) + self.interval(amount);
        match next.duration_since(now).checked_sub(self.interval(self.burst)) {
            None | Some(Duration::ZERO) => Ok(next),
            Some(wait) => Err(Excess::Wait(wait)),
        }
    }
}

/// Allowances of all clients for one rate.
#[derive(Debug)]
pub(crate) struct RateLimiter<K> {
    rate: Rate,
    clients_max: usize,
    table: Mutex<Table<K>>,
}

#[derive(Debug)]
struct Table<K> {
    /// Instant at which each client's allowance is full again.
    full_at: HashMap<K, Instant>,
    /// Instant at which the shared allowance of clients outside the table is full again.
    others_full_at: Instant,
    swept: Instant,
}

impl<K: Eq + Hash> RateLimiter<K> {
    pub(crate) fn new(rate: Rate, clients_max: usize, now: Instant) -> Self {
        let table = Table { full_at: HashMap::new(), others_full_at: now, swept: now };
        Self { rate, clients_max, table: Mutex::new(table) }
    }

    /// Takes `amount` from a client's allowance.
    ///
    /// # Errors
    ///
    /// The allowance does not suffice; nothing is taken.
    pub(crate) fn take(&self, client: K, amount: u32, now: Instant) -> Result<(), Excess> {
        let mut table = self.table.lock().expect("no holder of the lock panics");
        if let Some(full_at) = table.full_at.get_mut(&client) {
            *full_at = self.rate.take(*full_at, amount, now)?;
            return Ok(());
        }
        if table.full_at.len() >= self.clients_max {
            table.sweep(now);
        }
        if table.full_at.len() >= self.clients_max {
            table.others_full_at = self.rate.take(table.others_full_at, amount, now)?;
        } else {
            table.full_at.insert(client, self.rate.take(now, amount, now)?);
        }
        Ok(())
    }
}

impl<K> Table<K> {
    fn sweep(&mut self, now: Instant) {
        if now.duration_since(self.swept) >= SWEEP_PAUSE {
            self.full_at.retain(|_, full_at| *full_at > now);
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

    fn allowances(text: &str, clients_max: usize) -> (RateLimiter<u32>, Instant) {
        let now = Instant::now();
        (RateLimiter::new(rate(text), clients_max, now), now)
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
        assert_eq!(allowances.table.lock().expect("no panic").full_at.len(), 100);
        assert!(allowances.take(2_000, 1, at(8)).is_ok(), "who was quiet is forgotten");
        assert_eq!(allowances.table.lock().expect("no panic").full_at.len(), 1);
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
