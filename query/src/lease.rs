//! A connection on loan.

use std::ops::{Deref, DerefMut};

use deadpool::managed::{Object, PoolError};
use sqlx::PgConnection;
use tokio::time::{Instant, timeout_at};

use crate::connections::{Connected, Connections};
use crate::instruments;

/// A connection that is closed if it is given back in the middle of an answer, because time is over or the client has
/// left: whoever took it next would read the rest first, and if Postgres hangs, wait for it forever.
pub(crate) struct Lease {
    /// None when it has been given back.
    connection: Option<Connected>,
}

impl Lease {
    /// Waits for a connection until `deadline`.
    ///
    /// # Errors
    ///
    /// [`sqlx::Error::PoolTimedOut`], or what kept it from being made.
    pub(crate) async fn take(db: &Connections, deadline: Instant) -> Result<Self, sqlx::Error> {
        timeout_at(deadline, Self::take_in_time(db)).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    /// The same, for those whose caller stops waiting.
    pub(crate) async fn take_in_time(db: &Connections) -> Result<Self, sqlx::Error> {
        let asked = Instant::now();
        let connection = db.get().await.map_err(|err| match err {
            PoolError::Backend(err) => err,
            _ => sqlx::Error::PoolClosed,
        })?;
        instruments::connected(asked.elapsed());
        Ok(Self { connection: Some(connection) })
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

impl Deref for Lease {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.connection.as_ref().expect("it is there until it ends")
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect("it is there until it ends")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Out of the pool, and so closed.
        drop(self.connection.take().map(Object::take));
    }
}
