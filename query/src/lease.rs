//! A connection on loan from the pool.

use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres};
use tokio::time::{Instant, timeout_at};

use crate::instruments;

/// A connection that is closed if it is given back in the middle of an answer, because time is over or the client has
/// left. The pool would read the rest first, and if Postgres hangs, wait for it forever.
pub(crate) struct Lease {
    pub(crate) connection: PoolConnection<Postgres>,
    is_idle: bool,
}

impl Lease {
    /// Waits for a connection until `deadline`.
    ///
    /// # Errors
    ///
    /// [`sqlx::Error::PoolTimedOut`], or what kept the pool from connecting.
    pub(crate) async fn take(db: &PgPool, deadline: Instant) -> Result<Self, sqlx::Error> {
        timeout_at(deadline, Self::take_in_time(db)).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    /// The same, for those whose caller stops waiting.
    pub(crate) async fn take_in_time(db: &PgPool) -> Result<Self, sqlx::Error> {
        let asked = Instant::now();
        let connection = db.acquire().await?;
        instruments::connected(asked.elapsed());
        Ok(Self { connection, is_idle: false })
    }

    /// Gives the connection back for others to use: all of its answers have been read.
    pub(crate) fn end(mut self) {
        self.is_idle = true;
    }

    /// The same, unless that failed.
    pub(crate) fn end_with<T, E>(self, read: Result<T, E>) -> Result<T, E> {
        read.inspect(|_| self.end())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.is_idle {
            self.connection.close_on_drop();
        }
    }
}
