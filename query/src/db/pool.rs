//! A pool of connections to Postgres for reports, shared fairly by clients.
//!
//! sqlx's own pool pings each connection that comes back: a second round trip for each report, a quarter of the cost of the
//! shortest one. [`PooledConnection`](crate::db::pooled::PooledConnection) needs no ping, because it gives a
//! connection back only when all of its answers have been read.

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

/// A connection that was used less than this ago is not pinged before it is used again: that would be a round trip.
const UNTESTED_MAX: Duration = Duration::from_secs(1);

/// An older connection is replaced: its memory in Postgres grows, and addresses of servers change.
const AGE_MAX: Duration = Duration::from_mins(30);

/// The pause between attempts to connect while Postgres starts.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// Entries of clients at which those without a report are removed: an entry is about 100 bytes.
const CLIENTS_SWEPT_AT: usize = 1_024;

/// The pool. A client that has its share waits outside of the pool's queue, which therefore has at most one share of each
/// client.
pub(crate) struct ConnectionPool {
    pool: Pool<Connector>,
    per_client_max: usize,
    clients: Mutex<HashMap<Client, Weak<Semaphore>>>,
}

/// A connection, which goes back to the pool when it is dropped.
pub(crate) struct Connected {
    pub(crate) connection: Object<Connector>,
    /// The permit of its client's share; `None` if all clients share the connection.
    _share: Option<OwnedSemaphorePermit>,
}

/// Makes connections, and checks whether one can be used again.
pub(crate) struct Connector {
    options: PgConnectOptions,
    session: Session,
}

impl ConnectionPool {
    /// Makes a pool that connects when a connection is needed.
    pub(crate) fn lazy(options: PgConnectOptions, config: &Config) -> Self {
        let connections_max = usize::try_from(config.query_connections_max.get()).unwrap_or(usize::MAX);
        let connector = Connector { options, session: config.session() };
        // Last in, first out: at night one connection stays in use, and is seldom pinged.
        let pool = Pool::builder(connector).max_size(connections_max).queue_mode(QueueMode::Lifo);
        let pool = pool.build().expect("a pool without timeouts needs no runtime");
        Self { pool, per_client_max: config.client_share(connections_max), clients: Mutex::default() }
    }

    /// Waits for a connection of a client's share. The caller sets the timeout.
    pub(crate) async fn get_for(&self, client: &Client) -> Result<Connected, sqlx::Error> {
        let share = self.share(client).acquire_owned().await.expect("the semaphore is never closed");
        Ok(Connected { _share: Some(share), ..self.get().await? })
    }

    /// Waits for a connection for a query that all clients share.
    pub(crate) async fn get(&self) -> Result<Connected, sqlx::Error> {
        let connection = self.pool.get().await.map_err(|err| match err {
            PoolError::Backend(err) => err,
            _ => sqlx::Error::PoolClosed,
        })?;
        Ok(Connected { connection, _share: None })
    }

    /// The numbers of connections, idle and in use.
    pub(crate) fn status(&self) -> Status {
        self.pool.status()
    }

    fn share(&self, client: &Client) -> Arc<Semaphore> {
        let mut clients = self.clients.lock().expect("no thread panics while it holds the lock");
        if let Some(share) = clients.get(client).and_then(Weak::upgrade) {
            return share;
        }
        if clients.len() >= CLIENTS_SWEPT_AT {
            // Clients that stay have a report in progress, so they are as many at most.
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

    /// Connects, and waits for a server that is starting until the caller's timeout.
    async fn create(&self) -> Result<PgConnection, sqlx::Error> {
        loop {
            match PgConnection::connect_with(&self.options).await {
                Err(err) if is_transient(&err) => sleep(RETRY_INTERVAL).await,
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

/// Whether the server is starting, or has too many clients for a moment.
fn is_transient(err: &sqlx::Error) -> bool {
    match err {
        sqlx::Error::Io(err) => err.kind() == std::io::ErrorKind::ConnectionRefused,
        sqlx::Error::Database(err) => err.is_transient_in_connect_phase(),
        _ => false,
    }
}
