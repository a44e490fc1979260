//! One connection, from its first byte to its end: HTTP speaks, and this watches that it does not stay for ever.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use hyper_util::server::graceful::GracefulConnection;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Closed;
use super::places::Place;
use super::socket::Ending;
use super::state::Phase;

/// What was answered has so long to leave, once the connection is to end.
const LINGER: Duration = Duration::from_secs(5);

/// A client that sends in the middle of an answer without an end is not heard leaving: so it is looked for.
const LOOK_PAUSE: Duration = Duration::from_secs(5);

/// What ends a connection, beside HTTP itself.
pub(super) struct Watch {
    pub(super) place: Place,
    pub(super) ending: Ending,
    pub(super) idle_timeout: Duration,
    pub(super) half_closed_timeout: Option<Duration>,
    pub(super) shutdown: CancellationToken,
}

/// Why the connection is looked at.
enum Event<E> {
    /// HTTP is through with it.
    Ended(Result<(), E>),
    /// The process stops.
    Shutdown,
    /// Another connection needs its place.
    NoRoom,
    /// The other end has stopped sending, or has sent something else, in the middle of an answer without an end.
    Heard(bool),
    /// Time is over, or may be.
    Timer,
}

/// What becomes of it.
enum Course {
    /// It is looked at again at this moment.
    On(Instant),
    /// It ends after what is under way, which may take until then.
    Ending(Instant),
    /// It ends now.
    Over,
}

/// What is known of a connection from one look to the next.
#[derive(Default)]
struct Known {
    is_ending: bool,
    /// Whether its end would not be heard.
    is_deaf: bool,
    /// Whether the other end has stopped sending in the middle of an answer.
    is_half_closed: bool,
}

impl Watch {
    /// Lets HTTP speak to its end. An idle connection ends between requests only, so that no request is lost that a client
    /// may take for accepted.
    pub(super) async fn over<C: GracefulConnection>(self, connection: C) -> Result<(), C::Error> {
        let state = self.place.state();
        let mut connection = pin!(connection);
        let (mut shutdown, mut leaving) = (pin!(self.shutdown.cancelled()), pin!(state.closing()));
        let mut hearing = pin!(self.ending.is_there());
        let mut timer = pin!(sleep_until(self.next_look()));
        let mut known = Known::default();
        loop {
            let event = poll_fn(|cx| {
                if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                    return Poll::Ready(Event::Ended(ended));
                }
                if !known.is_ending && shutdown.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Event::Shutdown);
                }
                if !known.is_ending && leaving.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Event::NoRoom);
                }
                if (state.ends_with_client() || self.half_closed_timeout.is_some() && state.is_answering_one())
                    && !known.is_deaf
                    && !known.is_half_closed
                    && let Poll::Ready(is_there) = hearing.as_mut().poll(cx)
                {
                    return Poll::Ready(Event::Heard(is_there));
                }
                // Only an earlier moment has to be waited for: a later one is seen when this one is over.
                if let Some(at) = state.deadline(self.idle_timeout)
                    && at < timer.deadline()
                    && !known.is_ending
                {
                    timer.as_mut().reset(at);
                }
                timer.as_mut().poll(cx).map(|()| Event::Timer)
            });
            let event = match event.await {
                Event::Ended(ended) => return ended,
                event => event,
            };
            if matches!(event, Event::Timer) && known.is_deaf {
                hearing.set(self.ending.is_there());
            }
            match self.course(&event, &mut known) {
                Course::Over => return Ok(()),
                Course::On(at) => timer.as_mut().reset(at),
                Course::Ending(at) => {
                    known.is_ending = true;
                    connection.as_mut().graceful_shutdown();
                    timer.as_mut().reset(at);
                }
            }
        }
    }

    fn course<E>(&self, event: &Event<E>, known: &mut Known) -> Course {
        let (state, now) = (self.place.state(), Instant::now());
        known.is_deaf = matches!(event, Event::Heard(false));
        match event {
            Event::Heard(true) if !state.ends_with_client() => {
                known.is_half_closed = true;
                Course::On(now + self.half_closed_timeout.unwrap_or(self.idle_timeout))
            }
            Event::Ended(_) | Event::Heard(true) => Course::Over,
            Event::Heard(false) => Course::On(now + LOOK_PAUSE),
            // How long what is under way may take is the server's to say.
            Event::Shutdown => Course::Ending(now + self.idle_timeout),
            Event::NoRoom => {
                Closed::NoRoom.count();
                Course::Ending(now + LINGER)
            }
            Event::Timer => match state.phase() {
                Phase::Busy if known.is_half_closed => Course::Over,
                Phase::Busy => Course::On(self.next_look()),
                _ if known.is_ending => Course::Over,
                _ if self.next_look() > now => Course::On(self.next_look()),
                Phase::Headers(_) => {
                    Closed::SlowHeaders.count();
                    Course::Over
                }
                Phase::Idle(_) => {
                    Closed::Idle.count();
                    Course::Ending(now + LINGER)
                }
            },
        }
    }

    /// The moment at which it has to end unless something happens, or some moment where there is none.
    fn next_look(&self) -> Instant {
        let at = self.place.state().deadline(self.idle_timeout);
        at.unwrap_or_else(|| Instant::now() + self.idle_timeout)
    }
}
