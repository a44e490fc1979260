//! What a connection is doing, and until when it may.
//!
//! hyper has one clock for two waits: for the first byte of a next request, which a load balancer's idle connection may take
//! minutes for, and from there to the end of its headers, for which a client needs a moment. So both are measured here: by
//! the bytes that arrive, and by the requests that are answered.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// From a connection's opening, or from the first byte of a further request, to the end of the request's headers.
pub const HEADERS_TIMEOUT: Duration = Duration::from_secs(10);

/// Stands for "no headers have begun".
const NEVER: u64 = u64::MAX;

/// Of one connection: written by its own tasks, and read by whoever looks for a place.
#[derive(Debug)]
pub(super) struct State {
    /// Whose it is, as addresses are counted.
    pub(super) network: IpAddr,
    /// Whether a proxy is at its other end, which is trusted to say whose requests are.
    pub(super) is_proxy: bool,
    opened: Instant,
    /// Requests whose answers are not complete.
    in_flight: AtomicU32,
    /// Whether any request was answered.
    has_served: AtomicBool,
    /// Whether bytes between requests are the beginning of a next one. In HTTP/2 they are anything.
    is_serial: AtomicBool,
    /// Whether an answer is under way that ends only with its client.
    is_streaming: AtomicBool,
    /// Milliseconds since it was opened: when the connection became idle.
    idle_since_ms: AtomicU64,
    /// The same of the first byte of the request that is read.
    headers_since_ms: AtomicU64,
    /// Asks the connection to end.
    closing: Notify,
}

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It waits for a request, since then.
    Idle(Instant),
    /// A request's headers arrive, since then.
    Headers(Instant),
    /// A request is answered.
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

    /// When it has to end unless something happens; while a request is answered there is no such moment.
    pub(super) fn deadline(&self, idle_timeout: Duration) -> Option<Instant> {
        match self.phase() {
            Phase::Idle(since) => Some(since + idle_timeout),
            Phase::Headers(since) => Some(since + HEADERS_TIMEOUT),
            Phase::Busy => None,
        }
    }

    /// Its requests may be answered at the same time: HTTP/2.
    pub(super) fn multiplex(&self) {
        self.is_serial.store(false, Ordering::Release);
    }

    /// Bytes have arrived.
    pub(super) fn received(&self) {
        if self.is_serial.load(Ordering::Acquire) && self.in_flight.load(Ordering::Acquire) == 0 {
            let _ = self.headers_since_ms.compare_exchange(NEVER, self.ms(), Ordering::AcqRel, Ordering::Acquire);
        }
    }

    /// A request has arrived with all of its headers.
    pub(super) fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        self.has_served.store(true, Ordering::Release);
        self.headers_since_ms.store(NEVER, Ordering::Release);
    }

    /// It was answered, or given up.
    pub(super) fn end(&self) {
        self.idle_since_ms.store(self.ms(), Ordering::Release);
        self.is_streaming.store(false, Ordering::Release);
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
    }

    /// The answer that is under way ends only with its client. HTTP/2 tells by itself when a client leaves.
    pub(super) fn stream(&self) {
        self.is_streaming.store(self.is_serial.load(Ordering::Acquire), Ordering::Release);
    }

    /// Whether a client that stops sending has left: it does in the middle of an answer without an end.
    pub(super) fn ends_with_client(&self) -> bool {
        self.is_streaming.load(Ordering::Acquire)
    }

    /// Whether a request is answered, and no other can be at the same time.
    pub(super) fn is_answering_one(&self) -> bool {
        self.is_serial.load(Ordering::Acquire) && self.in_flight.load(Ordering::Acquire) > 0
    }

    pub(super) fn has_served(&self) -> bool {
        self.has_served.load(Ordering::Acquire)
    }

    /// Asks for its end, after the answers that are under way.
    pub(super) fn close(&self) {
        self.closing.notify_one();
    }

    /// Returns when its end is asked for.
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
        let left = || state.deadline(IDLE).map(|at| at.duration_since(Instant::now()));
        assert_eq!((state.phase(), left()), (Phase::Headers(begun), Some(HEADERS_TIMEOUT)));
        tokio::time::advance(Duration::from_secs(3)).await;
        state.received();
        assert_eq!(left(), HEADERS_TIMEOUT.checked_sub(Duration::from_secs(3)), "a byte now and then does not help");
        state.begin();
        assert_eq!((state.phase(), left(), state.has_served()), (Phase::Busy, None, true));
        state.received();
        state.end();
        assert_eq!(left(), Some(IDLE), "what came meanwhile was the body");
        tokio::time::advance(Duration::from_mins(10)).await;
        state.received();
        assert_eq!(left(), Some(HEADERS_TIMEOUT));
        state.begin();
        state.end();
        state.multiplex();
        state.received();
        assert_eq!(left(), Some(IDLE), "a ping is no request");
    }
}
