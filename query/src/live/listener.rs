//! What projectors say when they commit: which generation they added to, or which one is active now. A hint that it is
//! time to read, and nothing that is relied on.

use std::time::Duration;

use database::Session;
use futures_util::FutureExt;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::time::timeout;

/// Where it is said. The projector has the same name for it.
const CHANNEL: &str = "projection";

/// As Postgres shows the connection.
const APPLICATION: &str = "tidemark-query-live";

/// A connection may take so long to close before it is left to itself.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection that hears them, with which one can read, too: whoever cannot read with it would not hear anything.
pub(super) struct Notices {
    pub(super) listener: PgListener,
    /// Of this connection only.
    pool: PgPool,
}

impl Notices {
    /// Connects and listens, within `limit` each.
    pub(super) async fn listen(options: PgConnectOptions, session: Session, limit: Duration) -> sqlx::Result<Self> {
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(limit).max_lifetime(None);
        let pool = pool.after_connect(move |db, _| {
            let session = session.clone();
            Box::pin(async move { session.apply(db).await })
        });
        let pool = pool.connect_lazy_with(options.application_name(APPLICATION));
        let mut listener = PgListener::connect_with(&pool).await?;
        // A lost connection is the end of this: what was said meanwhile has to be made up for by reading.
        listener.eager_reconnect(false);
        timeout(limit, listener.listen(CHANNEL)).await.map_err(|_| sqlx::Error::PoolTimedOut)??;
        Ok(Self { listener, pool })
    }

    /// Forgets what was said so far, before it is read.
    pub(super) fn forget(&mut self) -> sqlx::Result<()> {
        while let Some(heard) = self.next().now_or_never() {
            heard?;
        }
        Ok(())
    }

    /// Returns when something is said that concerns a reader of this generation.
    pub(super) async fn concerning(&mut self, generation: Option<i32>) -> sqlx::Result<()> {
        while !concerns(&self.next().await?, generation) {}
        Ok(())
    }

    /// Closes the connection, if it lets itself be closed.
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

/// A commit is `<generation>-<partition>`; only those to the active generation show. Anything else is a change of
/// generations, or new to this version.
fn concerns(payload: &str, active: Option<i32>) -> bool {
    let committed = payload.split_once('-').and_then(|(generation, _)| generation.parse().ok());
    committed.is_none() || active.is_none() || committed == active
}

#[cfg(test)]
mod tests {
    use super::concerns;

    #[test]
    fn commits_to_other_generations_concern_nobody() {
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
