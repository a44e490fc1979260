//! Notifications of projectors (`NOTIFY`): the generation of a commit, or a change of the active generation. They are hints
//! that it is time to read. No number depends on them.

use std::time::Duration;

use database::Session;
use futures_util::FutureExt;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::time::timeout;

/// The channel, by the name that the projector uses.
const CHANNEL: &str = "projection";

/// The application name of the connection in `pg_stat_activity`.
const APPLICATION: &str = "tidemark-query-live";

/// The timeout of closing the connection.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection that receives notifications, and reads the totals, too: so a connection that fails is noticed by the read.
pub(super) struct CommitListener {
    pub(super) listener: PgListener,
    /// The pool of this connection alone.
    pool: PgPool,
}

impl CommitListener {
    /// Connects and listens, within `limit` each.
    pub(super) async fn listen(options: PgConnectOptions, session: Session, limit: Duration) -> sqlx::Result<Self> {
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(limit).max_lifetime(None);
        let pool = pool.after_connect(move |db, _| {
            let session = session.clone();
            Box::pin(async move { session.apply(db).await })
        });
        let pool = pool.connect_lazy_with(options.application_name(APPLICATION));
        let mut listener = PgListener::connect_with(&pool).await?;
        // A lost connection ends the listener, because notifications were lost with it and the totals have to be read anew.
        listener.eager_reconnect(false);
        timeout(limit, listener.listen(CHANNEL)).await.map_err(|_| sqlx::Error::PoolTimedOut)??;
        Ok(Self { listener, pool })
    }

    /// Drops the notifications so far, before a read that contains their commits.
    pub(super) fn clear(&mut self) -> sqlx::Result<()> {
        while let Some(heard) = self.next().now_or_never() {
            heard?;
        }
        Ok(())
    }

    /// Waits for a notification that concerns a reader of this generation.
    pub(super) async fn wait_for(&mut self, generation: Option<i32>) -> sqlx::Result<()> {
        while !concerns(&self.next().await?, generation) {}
        Ok(())
    }

    /// Closes the connection.
    pub(super) async fn close(self) {
        drop(self.listener);
        let _ = timeout(CLOSE_TIMEOUT, self.pool.close()).await;
    }

    async fn next(&mut self) -> sqlx::Result<String> {
        let heard = self.listener.try_recv().await?;
        let heard = heard.ok_or_else(|| sqlx::Error::Io(std::io::ErrorKind::ConnectionAborted.into()))?;
        Ok(heard.payload().to_owned())
    }
}

/// Whether a notification concerns a reader of the active generation. A commit is `<generation>-<partition>`, and concerns
/// readers of its generation. Any other payload is a change of generations, or unknown to this version.
fn concerns(payload: &str, active: Option<i32>) -> bool {
    let committed = payload.split_once('-').and_then(|(generation, _)| generation.parse().ok());
    committed.is_none() || active.is_none() || committed == active
}

#[cfg(test)]
mod tests {
    use super::concerns;

    #[test]
    fn commits_to_other_generations_concern_no_reader() {
        for (payload, active, is_concerned) in [
            ("3-0", Some(3), true),
            ("3-17", Some(3), true),
            ("4-0", Some(3), false),
            ("33-0", Some(3), false),
            ("4-0", None, true),
            ("4", Some(3), true),
            ("3", Some(3), true),
            ("", Some(3), true),
            ("x-y", Some(3), true),
        ] {
            assert_eq!(concerns(payload, active), is_concerned, "{payload:?} {active:?}");
        }
    }
}
