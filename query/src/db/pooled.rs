//! A connection on loan.

use std::ops::{Deref, DerefMut};

use deadpool::managed::Object;
use service::access::Client;
use sqlx::PgConnection;
use tokio::time::{Instant, timeout_at};

use crate::db::pool::{Connected, Connections};
use crate::metrics;

/// A connection that is closed if it is given back in the middle of an answer, because time is over or the client has
/// left: whoever took it next would read the rest first, and if Postgres hangs, wait for it forever.
pub(crate) struct PooledConnection {
    /// None when it has been given back.
    connection: Option<Connected>,
}

impl PooledConnection {
    /// Waits for a connection of a client's share until `deadline`.
    ///
    /// # Errors
    ///
    /// [`sqlx::Error::PoolTimedOut`], or what kept it from being made.
    pub(crate) async fn take(db: &Connections, client: &Client, deadline: Instant) -> Result<Self, sqlx::Error> {
        let asked = Instant::now();
        let connected = timeout_at(deadline, db.get_for(client)).await;
        Ok(Self::of(connected.unwrap_or(Err(sqlx::Error::PoolTimedOut))?, asked))
    }

    /// Waits for a connection for what all clients share, as long as the caller does.
    ///
    /// # Errors
    ///
    /// What kept it from being made.
    pub(crate) async fn take_for_all(db: &Connections) -> Result<Self, sqlx::Error> {
        let asked = Instant::now();
        Ok(Self::of(db.get().await?, asked))
    }

    fn of(connected: Connected, asked: Instant) -> Self {
        metrics::connected(asked.elapsed());
        Self { connection: Some(connected) }
    }

    /// Gives the connection back for others to use: all of its answers have been read.
    pub(crate) fn end(mut self) {
        drop(self.connection.take());
    }

    /// The same, unless that failed.
    pub(crate) fn end_with<T, E>(self, read: Result<T, E>) -> Result<T, E> {
        read.inspect(|_| self.end())
    }
}

impl Deref for PooledConnection {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection.as_ref().expect("it is there until it ends").connection
    }
}

impl DerefMut for PooledConnection {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection.as_mut().expect("it is there until it ends").connection
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        // Out of the pool, and so closed.
        drop(self.connection.take().map(|connected| Object::take(connected.connection)));
    }
}
