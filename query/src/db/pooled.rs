//! A connection on loan from the pool.

use std::ops::{Deref, DerefMut};

use deadpool::managed::Object;
use service::access::Client;
use sqlx::PgConnection;
use tokio::time::{Instant, timeout_at};

use crate::db::pool::{Connected, ConnectionPool};
use crate::metrics;

/// A connection on loan from the pool.
///
/// Dropped in the middle of an answer, after a timeout or because the client has left, it is closed. In the pool it would give
/// the next user the rest of that answer, and if Postgres hangs, make it wait forever.
pub(crate) struct PooledConnection {
    /// `None` when it has been given back.
    connection: Option<Connected>,
}

impl PooledConnection {
    /// Waits for a connection of a client's share until `deadline`.
    ///
    /// # Errors
    ///
    /// [`sqlx::Error::PoolTimedOut`], or why connecting failed.
    pub(crate) async fn take(db: &ConnectionPool, client: &Client, deadline: Instant) -> Result<Self, sqlx::Error> {
        let asked = Instant::now();
        let connected = timeout_at(deadline, db.get_for(client)).await;
        Ok(Self::of(connected.unwrap_or(Err(sqlx::Error::PoolTimedOut))?, asked))
    }

    /// Waits for a connection for a query that all clients share. The caller sets the timeout.
    pub(crate) async fn take_for_all(db: &ConnectionPool) -> Result<Self, sqlx::Error> {
        let asked = Instant::now();
        Ok(Self::of(db.get().await?, asked))
    }

    fn of(connected: Connected, asked: Instant) -> Self {
        metrics::connected(asked.elapsed());
        Self { connection: Some(connected) }
    }

    /// Gives the connection back to the pool. All of its answers must have been read.
    pub(crate) fn end(mut self) {
        drop(self.connection.take());
    }

    /// Gives the connection back to the pool, unless the read has failed.
    pub(crate) fn end_with<T, E>(self, read: Result<T, E>) -> Result<T, E> {
        read.inspect(|_| self.end())
    }
}

impl Deref for PooledConnection {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection.as_ref().expect("the connection is there until it is given back").connection
    }
}

impl DerefMut for PooledConnection {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection.as_mut().expect("the connection is there until it is given back").connection
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        // Taken out of the pool, and so closed.
        drop(self.connection.take().map(|connected| Object::take(connected.connection)));
    }
}
