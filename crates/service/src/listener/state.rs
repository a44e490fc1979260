//! Phase of a connection, and its deadline.
//!
//! hyper has one timer for two waits: the wait for the first byte of a request, for which idle connections of load balancers
//! need minutes, and the time of its headers, for which a client needs a moment. So both are measured here, by the bytes
//! that arrive and the requests that are answered.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::pace::Paces;

/// Maximum time from a connection's opening, or the first byte of a further request, to the end of the request's headers.
pub const HEADERS_TIMEOUT: Duration = Duration::from_secs(10);

/// Interval of checks of a connection with a request in progress: whether its client takes the answer, and whether it has hung
/// up.
pub(super) const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Value for "no headers have begun".
const NEVER: u64 = u64::MAX;

/// State of one connection, written by its own tasks, and read in the search for free slots.
#[derive(Debug)]
pub(super) struct State {
    /// Network of the client.
    pub(super) network: IpAddr,
    /// Whether the peer is a trusted proxy.
    pub(super) is_proxy: bool,
    opened: Instant,
    /// Requests in progress.
    in_flight: AtomicU32,
    /// Whether the connection ever had a request.
    has_served: AtomicBool,
    /// Whether bytes between requests begin the next request. In HTTP/2 they need not.
    is_serial: AtomicBool,
    /// Whether an answer without an end is in progress.
    is_streaming: AtomicBool,
    /// Begin of the idle time, in milliseconds since its opening.
    idle_since_ms: AtomicU64,
    /// Begin of the current request's headers, in milliseconds since the opening, or `NEVER`.
    headers_since_ms: AtomicU64,
    /// Number of the next request.
    next_request: AtomicU64,
    /// Paces at which the client takes answers.
    pub(super) paces: Paces,
    /// Asks the connection to close.
    closing: Notify,
}

/// Phase of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The connection waits for a request, since this moment.
    Idle(Instant),
    /// The headers of a request arrive, since this moment.
    Headers(Instant),
    /// A request is in progress.
    Busy,
}

impl State {
    pub(super) fn new(network: IpAddr, is_proxy: bool) -> Self {
        Self {
            network,
            is_proxy,
            opened: Instant::now(),
            in_flight: AtomicU32::new(0),
            has_served: AtomicBool::new(false),
            is_serial: AtomicBool::new(true),
            is_streaming: AtomicBool::new(false),
            idle_since_ms: AtomicU64::new(0),
            // The first headers are awaited from the beginning.
            headers_since_ms: AtomicU64::new(0),
            next_request: AtomicU64::new(0),
            paces: Paces::default(),
            closing: Notify::new(),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        if self.in_flight.load(Ordering::Acquire) > 0 {
            return Phase::Busy;
        }
        let at = |ms| self.opened + Duration::from_millis(ms);
        match self.headers_since_ms.load(Ordering::Acquire) {
            NEVER => Phase::Idle(at(self.idle_since_ms.load(Ordering::Acquire))),
            ms => Phase::Headers(at(ms)),
        }
    }

    /// Moment at which the connection is closed unless its phase changes, or at which it has to be checked again.
    pub(super) fn deadline(&self, idle_timeout: Duration) -> Instant {
        match self.phase() {
            Phase::Idle(since) => since + idle_timeout,
            Phase::Headers(since) => since + HEADERS_TIMEOUT,
            Phase::Busy => {
                let check = Instant::now() + CHECK_INTERVAL;
                self.paces.deadline().map_or(check, |at| at.min(check))
            }
        }
    }

    /// Whether the client takes too little of an answer.
    pub(super) fn is_stalled(&self) -> bool {
        self.paces.deadline().is_some_and(|at| at <= Instant::now())
    }

    /// Switches to HTTP/2, whose requests may be in progress at the same time.
    pub(super) fn multiplex(&self) {
        self.is_serial.store(false, Ordering::Release);
    }

    /// Records that bytes have arrived.
    pub(super) fn received(&self) {
        if self.is_serial.load(Ordering::Acquire) && self.in_flight.load(Ordering::Acquire) == 0 {
            let _ = self.headers_since_ms.compare_exchange(NEVER, self.ms(), Ordering::AcqRel, Ordering::Acquire);
        }
    }

    /// Records a request whose headers are complete, and returns its number.
    pub(super) fn begin(&self) -> u64 {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        self.has_served.store(true, Ordering::Release);
        self.headers_since_ms.store(NEVER, Ordering::Release);
        self.next_request.fetch_add(1, Ordering::Relaxed)
    }

    /// Records that a request was answered or given up.
    pub(super) fn end(&self, request: u64) {
        self.paces.end(request);
        self.idle_since_ms.store(self.ms(), Ordering::Release);
        self.is_streaming.store(false, Ordering::Release);
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
    }

    /// Records that the answer in progress has no end. HTTP/2 announces by itself that a client hangs up.
    pub(super) fn stream(&self) {
        self.is_streaming.store(self.is_serial.load(Ordering::Acquire), Ordering::Release);
    }

    /// Whether a client that closes its sending side has hung up: true during an answer without an end.
    pub(super) fn ends_with_client(&self) -> bool {
        self.is_streaming.load(Ordering::Acquire)
    }

    /// Number of requests in progress.
    pub(super) fn in_progress(&self) -> u32 {
        self.in_flight.load(Ordering::Acquire)
    }

    /// Whether a request of HTTP/1.1 is in progress.
    pub(super) fn is_answering_one(&self) -> bool {
        self.is_serial.load(Ordering::Acquire) && self.in_flight.load(Ordering::Acquire) > 0
    }

    pub(super) fn has_served(&self) -> bool {
        self.has_served.load(Ordering::Acquire)
    }

    /// Asks the connection to close after the answers in progress.
    pub(super) fn close(&self) {
        self.closing.notify_one();
    }

    /// Returns when the connection is asked to close.
    pub(super) async fn closing(&self) {
        self.closing.notified().await;
    }

    fn ms(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(NEVER - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(650);

    #[tokio::test(start_paused = true)]
    async fn headers_have_a_moment_and_idle_connections_have_minutes() {
        let state = State::new(IpAddr::from([127, 0, 0, 1]), false);
        let begun = Instant::now();
        let left = || state.deadline(IDLE).duration_since(Instant::now());
        assert_eq!((state.phase(), left()), (Phase::Headers(begun), HEADERS_TIMEOUT));
        tokio::time::advance(Duration::from_secs(3)).await;
        state.received();
        assert_eq!(left(), Duration::from_secs(7), "a byte now and then does not help");
        let request = state.begin();
        assert_eq!((state.phase(), left(), state.has_served()), (Phase::Busy, CHECK_INTERVAL, true));
        state.received();
        state.end(request);
        assert_eq!(left(), IDLE, "what came meanwhile was the body");
        tokio::time::advance(Duration::from_mins(10)).await;
        state.received();
        assert_eq!(left(), HEADERS_TIMEOUT);
        let request = state.begin();
        state.end(request);
        state.multiplex();
        state.received();
        assert_eq!(left(), IDLE, "a ping is no request");
    }
}
