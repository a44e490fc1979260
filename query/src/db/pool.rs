//! Connections to Postgres for reports: so many, made when they are needed, and used again.
//!
//! Not sqlx's own pool: that one asks each connection for a sign of life whenever it is given back, a second round trip for
//! each report, and a quarter of what the shortest one costs. [`PooledConnection`](crate::db::pooled::PooledConnection) knows without asking: it keeps what an
//! answer was read from to its end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use database::Session;
use deadpool::managed::{Manager, Metrics, Object, Pool, PoolError, QueueMode, RecycleError, RecycleResult, Status};
use service::access::Client;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

use crate::config::Config;

/// A connection that was taken last less than this ago is used without asking whether it still lives: that would be a
/// round trip.
const UNTESTED_MAX: Duration = Duration::from_secs(1);

/// An older one is replaced: what Postgres keeps for it grows, and addresses of servers change.
const AGE_MAX: Duration = Duration::from_mins(30);

/// Between attempts to connect while Postgres starts.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// Clients that are remembered before those without a report are forgotten: an entry is about 100 bytes.
const CLIENTS_SWEPT_AT: usize = 1_024;

/// Those that there are, and those that are waited for. A client that has its share waits for itself, and is in the way
/// of no other: the pool's queue has at most a share of each.
pub(crate) struct Connections {
    pool: Pool<Connector>,
    per_client_max: usize,
    clients: Mutex<HashMap<Client, Weak<Semaphore>>>,
}

/// One of them, which goes back when it is dropped.
pub(crate) struct Connected {
    pub(crate) connection: Object<Connector>,
    /// Of its client's share. None for looks that all clients share.
    _share: Option<OwnedSemaphorePermit>,
}

/// Makes them, and looks whether they can be used again.
pub(crate) struct Connector {
    options: PgConnectOptions,
    session: Session,
}

impl Connections {
    /// The first is made when it is needed.
    pub(crate) fn lazy(options: PgConnectOptions, config: &Config) -> Self {
        let connections_max = usize::try_from(config.query_connections_max.get()).unwrap_or(usize::MAX);
        let connector = Connector { options, session: config.session() };
        // Last in, first out: at night one of them stays in use, and is seldom tested.
        let pool = Pool::builder(connector).max_size(connections_max).queue_mode(QueueMode::Lifo);
        let pool = pool.build().expect("without time limits it needs no clock");
        Self { pool, per_client_max: config.client_share(connections_max), clients: Mutex::default() }
    }

    /// Waits for a connection of a client's share, as long as the caller likes.
    pub(crate) async fn get_for(&self, client: &Client) -> Result<Connected, sqlx::Error> {
        let share = self.share(client).acquire_owned().await.expect("nobody closes the semaphore");
        Ok(Connected { _share: Some(share), ..self.get().await? })
    }

    /// Waits for a connection for what all clients share.
    pub(crate) async fn get(&self) -> Result<Connected, sqlx::Error> {
        let connection = self.pool.get().await.map_err(|err| match err {
            PoolError::Backend(err) => err,
            _ => sqlx::Error::PoolClosed,
        })?;
        Ok(Connected { connection, _share: None })
    }

    /// How many there are, and how many of them are in use.
    pub(crate) fn status(&self) -> Status {
        self.pool.status()
    }

    fn share(&self, client: &Client) -> Arc<Semaphore> {
        let mut clients = self.clients.lock().expect("nobody panics with the lock");
        if let Some(share) = clients.get(client).and_then(Weak::upgrade) {
            return share;
        }
        if clients.len() >= CLIENTS_SWEPT_AT {
            // Those that stay have a report in progress, so there are no more than these.
            clients.retain(|_, share| share.strong_count() > 0);
        }
        let share = Arc::new(Semaphore::new(self.per_client_max));
        clients.insert(client.clone(), Arc::downgrade(&share));
        share
    }
}

impl Manager for Connector {
    type Type = PgConnection;
    type Error = sqlx::Error;

    /// Connects, and waits for a server that is starting, as long as whoever asked waits.
    async fn create(&self) -> Result<PgConnection, sqlx::Error> {
        loop {
            match PgConnection::connect_with(&self.options).await {
                Err(err) if is_passing(&err) => sleep(RETRY_INTERVAL).await,
                Err(err) => return Err(err),
                Ok(mut connection) => {
                    self.session.apply(&mut connection).await?;
                    return Ok(connection);
                }
            }
        }
    }

    async fn recycle(&self, connection: &mut PgConnection, metrics: &Metrics) -> RecycleResult<sqlx::Error> {
        if metrics.age() > AGE_MAX {
            return Err(RecycleError::message("too old"));
        }
        if metrics.last_used() > UNTESTED_MAX {
            connection.ping().await?;
        }
        Ok(())
    }
}

/// Whether a server that starts, or has too many clients for a moment, says so.
fn is_passing(err: &sqlx::Error) -> bool {
    match err {
        sqlx::Error::Io(err) => err.kind() == std::io::ErrorKind::ConnectionRefused,
        sqlx::Error::Database(err) => err.is_transient_in_connect_phase(),
        _ => false,
    }
}
