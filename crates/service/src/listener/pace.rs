//! Pace at which a client takes answers. One that takes nothing, or next to nothing, loses its connection, which frees the
//! memory of its answers.
//!
//! Bytes count as taken once hyper has dropped them, because the socket has accepted them. This measures HTTP/1.1 and HTTP/2
//! alike: an HTTP/2 client may keep its socket open and grant an answer no window.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

/// Maximum time in which a client takes nothing of an answer.
pub(super) const SEND_TIMEOUT_MS: u32 = 30_000;
const SEND_TIMEOUT: Duration = Duration::from_millis(SEND_TIMEOUT_MS as u64);

/// Minimum bytes a second after the same time, of all answers of a connection together: 2 MiB take 158 s at most.
const SEND_BYTES_PER_S: u64 = 16 << 10;

/// Paces of a connection's answers in progress, by request.
#[derive(Debug, Default)]
pub(super) struct Paces(Mutex<BTreeMap<u64, Pace>>);

/// Pace of one answer, from its first waiting bytes until the service has nothing more to send.
#[derive(Debug)]
struct Pace {
    begun: Instant,
    progressed: Instant,
    waiting_bytes: usize,
    taken_bytes: u64,
}

impl Paces {
    /// Records bytes of an answer that wait to be sent.
    pub(super) fn hand_over(&self, answer: u64, bytes: usize) {
        let now = Instant::now();
        let new = Pace { begun: now, progressed: now, waiting_bytes: 0, taken_bytes: 0 };
        self.lock().entry(answer).or_insert(new).waiting_bytes += bytes;
    }

    /// Records waiting bytes that were sent.
    pub(super) fn take(&self, answer: u64, bytes: usize) {
        if let Some(pace) = self.lock().get_mut(&answer) {
            pace.waiting_bytes = pace.waiting_bytes.saturating_sub(bytes);
            pace.taken_bytes += bytes as u64;
            pace.progressed = Instant::now();
        }
    }

    /// Records that the service has nothing more to send now. Unless bytes still wait, later ones begin a new pace.
    pub(super) fn pause(&self, answer: u64) {
        let mut paces = self.lock();
        if paces.get(&answer).is_some_and(|pace| pace.waiting_bytes == 0) {
            paces.remove(&answer);
        }
    }

    /// Records that an answer is complete or given up.
    pub(super) fn end(&self, answer: u64) {
        self.lock().remove(&answer);
    }

    /// Moment at which the client is too slow unless it takes more; `None` while no bytes wait.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let paces = self.lock();
        let answers = paces.len() as u64;
        let waiting = paces.values().filter(|pace| pace.waiting_bytes > 0);
        waiting.map(|pace| pace.deadline(answers)).min()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Pace>> {
        self.0.lock().expect("no holder of the lock panics")
    }
}

impl Pace {
    /// The deadline while the client takes so many answers at once.
    fn deadline(&self, answers: u64) -> Instant {
        let earned = Duration::from_secs(self.taken_bytes.saturating_mul(answers) / SEND_BYTES_PER_S);
        (self.progressed + SEND_TIMEOUT).min(self.begun + SEND_TIMEOUT + earned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn left(paces: &Paces) -> Option<u64> {
        paces.deadline().map(|at| at.duration_since(Instant::now()).as_secs())
    }

    async fn pass(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_has_half_a_minute_and_a_rate() {
        let paces = Paces::default();
        assert_eq!(left(&paces), None, "nothing waits");
        paces.hand_over(1, 4 * MIB);
        assert_eq!(left(&paces), Some(30));
        pass(20).await;
        assert_eq!(left(&paces), Some(10), "nothing was taken");
        paces.take(1, 10);
        assert_eq!(left(&paces), Some(10), "a few bytes now and then are no pace");
        paces.take(1, MIB);
        assert_eq!(left(&paces), Some(30), "but 1 MiB is");
        pass(25).await;
        paces.take(1, 10);
        assert_eq!(left(&paces), Some(30));
        pass(29).await;
        paces.take(1, 10);
        assert_eq!(left(&paces), Some(20), "30 s, and 64 s for 1 MiB");
        paces.take(1, 3 * MIB - 30);
        assert_eq!(left(&paces), None, "all was taken");
    }

    #[tokio::test(start_paused = true)]
    async fn answers_at_the_same_time_share_a_line() {
        let paces = Paces::default();
        for answer in 0..4 {
            paces.hand_over(answer, MIB);
            paces.take(answer, 100 << 10);
        }
        pass(25).await;
        (0..4).for_each(|answer| paces.take(answer, 1));
        pass(25).await;
        assert_eq!(left(&paces), Some(5), "four times 100 KiB are 25 s, and since the last byte");
        paces.end(0);
        paces.end(1);
        paces.end(2);
        assert!(left(&paces).is_some_and(|left| left == 0), "one alone has 6 s more than half a minute");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_without_an_end_is_measured_while_something_waits() {
        let paces = Paces::default();
        paces.hand_over(1, 100);
        paces.pause(1);
        assert_eq!(left(&paces), Some(30), "it waits");
        paces.take(1, 100);
        paces.pause(1);
        pass(1_000).await;
        paces.hand_over(1, 100);
        assert_eq!(left(&paces), Some(30));
    }
}
