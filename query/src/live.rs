//! Totals of today, pushed to whoever watches a site: `GET /live`.
//!
//! Projectors say with each commit which generation it belongs to. One task listens while anybody watches, reads the
//! totals of all that is watched, and leaves them where each client's stream takes the latest. A client that is slow
//! misses what was in between, and nobody waits for it.

/// Parameters of `GET /live`.
mod request;

/// Subscriptions of clients, and the latest totals of each.
mod subscriptions;

/// Totals of today, read in one snapshot.
mod totals;

/// Notifications of commits.
mod listener;

/// The task that refreshes totals after commits.
mod refresh;

/// The route, and the stream of events.
pub(crate) mod http;

use std::sync::Arc;
use std::time::Duration;

use service::access::{Client, NoPlace, Places};
use sqlx::postgres::PgConnectOptions;
use tokio_util::sync::CancellationToken;

pub(crate) use http::router;
pub(crate) use refresh::Feed;
pub(crate) use subscriptions::Pair;
use subscriptions::{State, Subscription, Watched};

use crate::Config;

/// Where totals are watched.
#[derive(Clone)]
pub(crate) struct Live {
    watched: Arc<Watched>,
    places: Places,
    /// Between two signs of life where there is nothing to tell.
    heartbeat: Duration,
    /// For the first totals of a client.
    timeout: Duration,
    /// Ends all streams.
    shutdown: CancellationToken,
}

/// Why nothing can be watched now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LiveError {
    /// As many as may watch do so already.
    #[error("too many clients watch totals; ask again later")]
    TooManyClients,
    /// One client watches as much as one may.
    #[error("this client watches totals too many times at once; ask again later")]
    TooManyOfClient,
    /// Postgres is away, or slow.
    #[error("totals cannot be read at the moment; ask again later")]
    NoTotals,
    /// Nothing has been projected yet.
    #[error("there are no read models yet; ask again when the projector has made them")]
    NoGeneration,
    /// What is stored cannot be.
    #[error("what is stored about the site is damaged and has to be rebuilt by an operator")]
    Damaged,
}

impl LiveError {
    /// For programs; stays what it is when sentences change.
    fn code(self) -> &'static str {
        match self {
            Self::TooManyClients | Self::TooManyOfClient => "too_many_clients",
            Self::NoTotals => "database_unavailable",
            Self::NoGeneration => "no_read_models",
            Self::Damaged => "damaged",
        }
    }
}

impl Live {
    /// What is watched, and what is to run beside the server to keep it up to date.
    pub(crate) fn new(config: &Config, options: PgConnectOptions, shutdown: CancellationToken) -> (Self, Feed) {
        let watched = Arc::<Watched>::default();
        let feed = Feed::new(watched.clone(), options, config);
        let places = config.places(config.live_clients_max());
        let (heartbeat, timeout) = (config.live_heartbeat(), config.timeout());
        (Self { watched, places, heartbeat, timeout, shutdown }, feed)
    }

    /// How many clients watch something, and how many may.
    pub(crate) fn clients(&self) -> (usize, usize) {
        (self.watched.clients(), self.places.taken().1)
    }

    /// Begins to watch; answers when the totals are known.
    ///
    /// # Errors
    ///
    /// See [`LiveError`]; then nothing is watched.
    async fn watch(&self, pair: Pair, client: &Client) -> Result<Subscription, LiveError> {
        let place = self.places.take(client).map_err(|err| match err {
            NoPlace::AllTaken => LiveError::TooManyClients,
            NoPlace::ClientHasMost => LiveError::TooManyOfClient,
        })?;
        let mut subscription = self.watched.join(pair, place);
        let first = tokio::time::timeout(self.timeout, subscription.known()).await;
        match first.unwrap_or(State::Unread) {
            State::Counted(_) => Ok(subscription),
            State::Unread => Err(LiveError::NoTotals),
            State::NoGeneration => Err(LiveError::NoGeneration),
            State::Damaged => Err(LiveError::Damaged),
        }
    }
}
