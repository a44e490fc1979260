//! Watch of one connection: closes it at its deadline, at shutdown, and when its slot is needed.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use hyper_util::server::graceful::GracefulConnection;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::metrics::Closed;
use super::slots::Slot;
use super::socket::Ending;
use super::state::{CHECK_INTERVAL, Phase};

/// Maximum time in which remaining bytes are sent after the connection is asked to close.
const LINGER: Duration = Duration::from_secs(5);

/// Bounds of a connection.
pub(super) struct Watch {
    pub(super) slot: Slot,
    pub(super) ending: Ending,
    pub(super) idle_timeout: Duration,
    pub(super) half_closed_timeout: Option<Duration>,
    pub(super) shutdown: CancellationToken,
}

/// Event of a connection.
enum Event<E> {
    /// The protocol has ended.
    Ended(Result<(), E>),
    /// The process stops.
    Shutdown,
    /// Another connection needs the slot.
    NoRoom,
    /// The client has closed its sending side (true), or has sent data (false), during an answer.
    Received(bool),
    /// The deadline may have passed.
    Timer,
}

/// Decision about a connection.
enum Decision {
    /// The connection goes on, and is checked again at this moment.
    On(Instant),
    /// The connection closes after the answers in progress, which may take until this moment.
    Ending(Instant),
    /// The connection closes now.
    Over,
}

/// State of the watch from one event to the next.
#[derive(Default)]
struct Progress {
    is_ending: bool,
    /// Whether the client has sent data, so that the end of its stream causes no event.
    has_data: bool,
    /// Whether the client has closed its sending side during an answer.
    is_half_closed: bool,
}

impl Watch {
    /// Drives a connection to its end. An idle connection is closed only between requests, so that no request is lost that a
    /// client may consider accepted.
    pub(super) async fn over<C: GracefulConnection>(self, connection: C) -> Result<(), C::Error> {
        let state = self.slot.state();
        let mut connection = pin!(connection);
        let (mut shutdown, mut leaving) = (pin!(self.shutdown.cancelled()), pin!(state.closing()));
        let mut receiving = pin!(self.ending.is_there());
        let mut timer = pin!(sleep_until(state.deadline(self.idle_timeout)));
        let mut progress = Progress::default();
        loop {
            let event = poll_fn(|cx| {
                if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                    return Poll::Ready(Event::Ended(ended));
                }
                if !progress.is_ending && shutdown.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Event::Shutdown);
                }
                if !progress.is_ending && leaving.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Event::NoRoom);
                }
                if (state.ends_with_client() || self.half_closed_timeout.is_some() && state.is_answering_one())
                    && !progress.has_data
                    && !progress.is_half_closed
                    && let Poll::Ready(is_there) = receiving.as_mut().poll(cx)
                {
                    return Poll::Ready(Event::Received(is_there));
                }
                // A later deadline needs no reset: it is seen when the current timer fires.
                let at = state.deadline(self.idle_timeout);
                if at < timer.deadline() && !progress.is_ending {
                    timer.as_mut().reset(at);
                }
                timer.as_mut().poll(cx).map(|()| Event::Timer)
            });
            let event = match event.await {
                Event::Ended(ended) => return ended,
                event => event,
            };
            if matches!(event, Event::Timer) && progress.has_data {
                receiving.set(self.ending.is_there());
            }
            match self.decide(&event, &mut progress) {
                Decision::Over => return Ok(()),
                Decision::On(at) => timer.as_mut().reset(at),
                Decision::Ending(at) => {
                    progress.is_ending = true;
                    connection.as_mut().graceful_shutdown();
                    timer.as_mut().reset(at);
                }
            }
        }
    }

    fn decide<E>(&self, event: &Event<E>, progress: &mut Progress) -> Decision {
        let (state, now) = (self.slot.state(), Instant::now());
        let next_check = state.deadline(self.idle_timeout);
        progress.has_data = matches!(event, Event::Received(false));
        match event {
            Event::Received(true) if !state.ends_with_client() => {
                progress.is_half_closed = true;
                Decision::On(now + self.half_closed_timeout.unwrap_or(self.idle_timeout))
            }
            Event::Ended(_) | Event::Received(true) => Decision::Over,
            Event::Received(false) => Decision::On(now + CHECK_INTERVAL),
            // The listener bounds the time of a shutdown.
            Event::Shutdown => Decision::Ending(now + self.idle_timeout),
            Event::NoRoom => {
                Closed::NoRoom.count();
                Decision::Ending(now + LINGER)
            }
            Event::Timer => match state.phase() {
                Phase::Busy if progress.is_half_closed => Decision::Over,
                Phase::Busy if state.is_stalled() => {
                    Closed::SlowReader.count();
                    Decision::Over
                }
                Phase::Busy => Decision::On(next_check),
                _ if progress.is_ending => Decision::Over,
                _ if next_check > now => Decision::On(next_check),
                Phase::Headers(_) => {
                    Closed::SlowHeaders.count();
                    Decision::Over
                }
                Phase::Idle(_) => {
                    Closed::Idle.count();
                    Decision::Ending(now + LINGER)
                }
            },
        }
    }
}
