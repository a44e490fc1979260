//! From a commit to those who watch: one task, one connection, one statement for everything that is watched. While
//! nobody watches there is neither.

use std::sync::Arc;
use std::time::Duration;

use database::Session;
use sqlx::postgres::PgConnectOptions;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::listener::Notices;
use super::subscriptions::{Pair, State, Watched};
use super::totals::{self, Snapshot};
use crate::config::Config;

/// From one read to the next at least, however much is committed: projectors of four partitions commit up to 160 times a
/// second, and ten numbers a second are more than anybody can follow.
const READ_PAUSE_MIN: Duration = Duration::from_millis(100);

/// The pause is so many times as long as the read before it, if that is more: so reading keeps a fifth of one processor
/// of Postgres busy at most. 4,096 different pairs took it 38 ms, and are read five times a second then.
const PAUSE_PER_READ: u32 = 4;

/// Without any notice it is read as often as this: the day changes in silence, and so does what an operator corrects.
/// What was not heard for any reason is late by no more than that.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// After something that did not work, until the next try.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Why it has to begin anew.
#[derive(Debug, thiserror::Error)]
enum FeedError {
    #[error("the totals cannot be read")]
    Database(#[from] sqlx::Error),
    #[error("reading the totals took too long")]
    TimedOut,
}

/// Keeps what is watched up to date.
pub(crate) struct Feed {
    watched: Arc<Watched>,
    options: PgConnectOptions,
    session: Session,
    /// For connecting, and for a read.
    timeout: Duration,
}

impl Feed {
    pub(super) fn new(watched: Arc<Watched>, options: PgConnectOptions, config: &Config) -> Self {
        Self { watched, options, session: config.session(), timeout: config.timeout() }
    }

    /// Works until `shutdown`. Whatever happens to the connection, it is made anew.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(self.someone_watches()).await.is_some() {
            if let Err(err) = self.follow(&shutdown).await {
                tracing::warn!(error = format!("{:#}", anyhow::Error::from(err)), "Totals are not up to date");
                shutdown.run_until_cancelled(sleep(RETRY_PAUSE)).await;
            }
        }
    }

    async fn someone_watches(&self) {
        while self.watched.pairs().is_empty() {
            self.watched.changed().await;
        }
    }

    /// Connects, and publishes until nobody watches or something goes wrong.
    async fn follow(&self, shutdown: &CancellationToken) -> Result<(), FeedError> {
        let connecting = Notices::listen(self.options.clone(), self.session.clone(), self.timeout);
        let Some(connected) = shutdown.run_until_cancelled(connecting).await else { return Ok(()) };
        let mut notices = connected?;
        let publishing = shutdown.run_until_cancelled(self.publish_changes(&mut notices)).await;
        notices.close().await;
        publishing.unwrap_or(Ok(()))
    }

    async fn publish_changes(&self, notices: &mut Notices) -> Result<(), FeedError> {
        loop {
            let pairs = self.watched.pairs();
            if pairs.is_empty() {
                return Ok(());
            }
            let begun = Instant::now();
            // What is said from here on may be missing in what is read.
            notices.forget()?;
            let reading = timeout(self.timeout, totals::read(&mut notices.listener, &pairs));
            let Snapshot { generation, states } = reading.await.map_err(|_| FeedError::TimedOut)??;
            let pause = READ_PAUSE_MIN.max(begun.elapsed() * PAUSE_PER_READ);
            for (pair, state) in pairs.iter().zip(states) {
                self.publish(pair, state);
            }
            sleep(pause).await;
            tokio::select! {
                heard = notices.concerning(generation) => heard?,
                () = self.watched.changed() => {}
                () = sleep(SILENCE_MAX) => {}
            }
        }
    }

    fn publish(&self, pair: &Pair, state: State) {
        let is_damaged = state == State::Damaged;
        if self.watched.publish(pair, state) && is_damaged {
            // What is logged without being asked for outlives an erasure, so it names no site.
            tracing::warn!("What is stored about a site is damaged");
            tracing::debug!(site.id = pair.site_id.as_str(), "The damaged one is this site");
        }
    }
}
