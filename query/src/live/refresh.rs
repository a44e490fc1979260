//! The task that refreshes the totals of all topics after a commit: one connection, and one statement for all of them. Without
//! clients there is no connection.

use std::sync::Arc;
use std::time::Duration;

use database::Session;
use sqlx::postgres::PgConnectOptions;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::listener::CommitListener;
use super::subscriptions::{State, Subscriptions};
use super::topic::Topic;
use super::totals::{self, States};
use crate::config::Config;

/// The shortest pause between two reads. Projectors of four partitions commit up to 160 times a second, and a person cannot
/// follow more than ten numbers a second.
const READ_PAUSE_MIN: Duration = Duration::from_millis(100);

/// The pause as a multiple of the read before it, if that is longer: so reading takes at most a fifth of one processor of
/// Postgres. Reading 4,096 topics takes 38 ms, so they are read five times a second.
const PAUSE_PER_READ: u32 = 4;

/// The longest pause without a notification: the day changes without one, and so do numbers that an operator corrects. A lost
/// notification delays totals by no more than this.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// The pause after a failure.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Why the connection has to be made anew.
#[derive(Debug, thiserror::Error)]
enum RefreshError {
    #[error("the totals cannot be read")]
    Database(#[from] sqlx::Error),
    #[error("reading the totals took too long")]
    TimedOut,
}

/// Keeps the totals of all topics up to date.
pub(crate) struct Refresher {
    subscriptions: Arc<Subscriptions>,
    options: PgConnectOptions,
    session: Session,
    /// The timeout of connecting, and of a read.
    timeout: Duration,
}

impl Refresher {
    pub(super) fn new(subscriptions: Arc<Subscriptions>, options: PgConnectOptions, config: &Config) -> Self {
        Self { subscriptions, options, session: config.session(), timeout: config.timeout() }
    }

    /// Refreshes until `shutdown`. A connection that fails is made anew.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(self.topics_exist()).await.is_some() {
            if let Err(err) = self.follow(&shutdown).await {
                tracing::warn!(error = format!("{:#}", anyhow::Error::from(err)), "LiveTotals are not up to date");
                shutdown.run_until_cancelled(sleep(RETRY_PAUSE)).await;
            }
        }
    }

    async fn topics_exist(&self) {
        while self.subscriptions.topics().is_empty() {
            self.subscriptions.changed().await;
        }
    }

    /// Connects, and publishes until there are no topics or a read fails.
    async fn follow(&self, shutdown: &CancellationToken) -> Result<(), RefreshError> {
        let connecting = CommitListener::listen(self.options.clone(), self.session.clone(), self.timeout);
        let Some(connected) = shutdown.run_until_cancelled(connecting).await else { return Ok(()) };
        let mut listener = connected?;
        let publishing = shutdown.run_until_cancelled(self.publish_changes(&mut listener)).await;
        listener.close().await;
        publishing.unwrap_or(Ok(()))
    }

    async fn publish_changes(&self, listener: &mut CommitListener) -> Result<(), RefreshError> {
        loop {
            let topics = self.subscriptions.topics();
            if topics.is_empty() {
                return Ok(());
            }
            let begun = Instant::now();
            // Commits of later notifications may be missing in the read.
            listener.clear()?;
            let reading = timeout(self.timeout, totals::read(&mut listener.listener, &topics));
            let States { generation, states } = reading.await.map_err(|_| RefreshError::TimedOut)??;
            let pause = READ_PAUSE_MIN.max(begun.elapsed() * PAUSE_PER_READ);
            for (topic, state) in topics.iter().zip(states) {
                self.publish(topic, state);
            }
            sleep(pause).await;
            tokio::select! {
                heard = listener.wait_for(generation) => heard?,
                () = self.subscriptions.changed() => {}
                () = sleep(SILENCE_MAX) => {}
            }
        }
    }

    fn publish(&self, topic: &Topic, state: State) {
        let is_damaged = state == State::Damaged;
        if self.subscriptions.publish(topic, state) && is_damaged {
            // What is logged without being asked for outlives an erasure, so it names no site.
            tracing::warn!("What is stored about a site is damaged");
            tracing::debug!(site.id = topic.site_id.as_str(), "The damaged one is this site");
        }
    }
}
