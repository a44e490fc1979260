//! Totals of today, pushed to clients: `GET /live`.
//!
//! Projectors notify with each commit which generation it belongs to. One task listens while there are clients, reads the
//! totals of all topics, and publishes them where each client's stream takes the latest. A slow client misses the totals in
//! between, and no other client waits for it.

mod topic;

mod subscriptions;

mod totals;

mod listener;

mod refresh;

pub(crate) mod http;

use std::sync::Arc;
use std::time::Duration;

use service::access::{Client, NoPlace, Places};
use sqlx::postgres::PgConnectOptions;
use tokio_util::sync::CancellationToken;

pub(crate) use http::router;
pub(crate) use refresh::Refresher;
use subscriptions::{State, Subscription, Subscriptions};
pub(crate) use topic::Topic;

use crate::Config;

/// The subscriptions of all clients, and what a stream needs.
#[derive(Clone)]
pub(crate) struct Live {
    subscriptions: Arc<Subscriptions>,
    places: Places,
    /// The time without totals after which a stream sends a comment.
    heartbeat: Duration,
    /// The timeout of the first totals of a client.
    timeout: Duration,
    /// Ends all streams.
    shutdown: CancellationToken,
}

/// Why a client cannot subscribe now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LiveError {
    /// All places are taken.
    #[error("too many clients watch totals; ask again later")]
    TooManyClients,
    /// The client has its share of places.
    #[error("this client watches totals too many times at once; ask again later")]
    TooManyOfClient,
    /// Postgres is away, or slow.
    #[error("totals cannot be read at the moment; ask again later")]
    NoTotals,
    /// No generation of the read models is active.
    #[error("there are no read models yet; ask again when the projector has made them")]
    NoGeneration,
    /// The stored numbers are damaged.
    #[error("what is stored about the site is damaged and has to be rebuilt by an operator")]
    Damaged,
}

impl LiveError {
    /// The code, which does not change when the sentence does.
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
    /// Makes the subscriptions, and the task that has to run beside the server to refresh their totals.
    pub(crate) fn new(config: &Config, options: PgConnectOptions, shutdown: CancellationToken) -> (Self, Refresher) {
        let subscriptions = Arc::<Subscriptions>::default();
        let refresher = Refresher::new(subscriptions.clone(), options, config);
        let places = config.places(config.live_clients_max());
        let (heartbeat, timeout) = (config.live_heartbeat(), config.timeout());
        (Self { subscriptions, places, heartbeat, timeout, shutdown }, refresher)
    }

    /// The number of clients, and its maximum.
    pub(crate) fn clients(&self) -> (usize, usize) {
        (self.subscriptions.clients(), self.places.taken().1)
    }

    /// Subscribes a client to a topic; returns when the totals are known.
    async fn subscribe(&self, topic: Topic, client: &Client) -> Result<Subscription, LiveError> {
        let place = self.places.take(client).map_err(|err| match err {
            NoPlace::AllTaken => LiveError::TooManyClients,
            NoPlace::ClientHasMost => LiveError::TooManyOfClient,
        })?;
        let mut subscription = self.subscriptions.join(topic, place);
        let first = tokio::time::timeout(self.timeout, subscription.first_state()).await;
        match first.unwrap_or(State::Unread) {
            State::Counted(_) => Ok(subscription),
            State::Unread => Err(LiveError::NoTotals),
            State::NoGeneration => Err(LiveError::NoGeneration),
            State::Damaged => Err(LiveError::Damaged),
        }
    }
}
