//! The connection to the log, and whether the log can be trusted with events.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::{ConnectOptions, Event, jetstream};
use tokio::sync::{Notify, watch};

use crate::config::Config;
use crate::{durability, health, streams};

/// One try to publish, or to ask the server something.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);

/// Between tries to connect: long enough not to hurt, short enough that a restart of the server goes unnoticed by
/// clients that wait.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);

/// Between tries to find out whether the log can be trusted.
const VERIFY_PAUSE: Duration = Duration::from_millis(500);

/// Two pings without an answer, and the connection is given up.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// Commands on their way to the connection: one envelope a partition, and a few questions.
const COMMANDS_MAX: usize = 2_048;

/// The log, as ingest sees it.
#[derive(Debug, Clone)]
pub struct Log {
    pub(crate) jetstream: jetstream::Context,
    trust: watch::Receiver<Trust>,
    doubts: Arc<Notify>,
}

/// Whether events may be given to the log now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Not known yet, and why.
    Waiting(String),
    /// It keeps its promises.
    Given,
    /// It breaks one; what to change.
    Refused(String),
}

/// Why the log is not trusted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Distrust {
    /// It breaks a promise. Somebody has to change something.
    #[error("{0}")]
    Broken(String),
    /// It could not be asked. Worth another try.
    #[error("the log could not be asked whether it keeps its promises")]
    Unknown(#[source] anyhow::Error),
}

/// How often the connection changed; odd while there is one.
type Changes = u64;

impl Log {
    /// Connects in the background, for as long as it takes. The guard has to be run: it says when the log is trusted.
    ///
    /// # Errors
    ///
    /// The address cannot be read.
    pub(crate) async fn connect(config: &Config) -> anyhow::Result<(Self, Guard)> {
        let (sender, changes) = watch::channel(0);
        let listener = Listener { changed: sender, reported: Mutex::default() };
        let mut options = ConnectOptions::new()
            .name("ingest")
            // The server's permissions let ingest read only its own answers.
            .custom_inbox_prefix("_INBOX_ingest")
            .retry_on_initial_connect()
            .reconnect_delay_callback(|tries| if tries == 0 { Duration::ZERO } else { RECONNECT_PAUSE })
            .connection_timeout(REQUEST_TIMEOUT)
            .request_timeout(Some(REQUEST_TIMEOUT))
            .ping_interval(PING_INTERVAL)
            .client_capacity(COMMANDS_MAX)
            .event_callback(move |event| {
                listener.note(&event);
                std::future::ready(())
            });
        if let (Some(user), Some(password)) = (&config.nats_user, &config.nats_password) {
            options = options.user_and_password(user.clone(), password.clone());
        }
        let servers: Vec<&str> = config.nats_url.split(',').map(str::trim).collect();
        let client = options.connect(servers).await.context("reading NATS_URL")?;
        let jetstream = ContextBuilder::new().timeout(REQUEST_TIMEOUT).build(client);
        let (trust, watched) = watch::channel(Trust::Waiting("the log is not connected".to_owned()));
        let doubts = Arc::new(Notify::new());
        let guard = Guard {
            jetstream: jetstream.clone(),
            monitor_urls: config.nats_monitor_urls.clone(),
            partitions: config.partitions,
            changes,
            doubts: doubts.clone(),
            trust,
        };
        Ok((Self { jetstream, trust: watched, doubts }, guard))
    }

    /// Ready, or what is missing, for an operator.
    pub(crate) fn readiness(&self) -> Result<(), String> {
        match &*self.trust.borrow() {
            Trust::Given => Ok(()),
            Trust::Waiting(lack) | Trust::Refused(lack) => Err(lack.clone()),
        }
    }

    /// Asks the guard to look again whether the log can be trusted: an envelope got no answer.
    pub(crate) fn doubt(&self) {
        self.doubts.notify_one();
    }

    /// Waits until events may be given to the log; returns at once where that needs a person first.
    pub(crate) async fn trusted(&self) -> Result<(), Refused> {
        let mut trust = self.trust.clone();
        let known = trust.wait_for(|trust| !matches!(trust, Trust::Waiting(_))).await;
        match known.as_deref() {
            Ok(Trust::Given) => Ok(()),
            _ => Err(Refused),
        }
    }
}

/// The log breaks a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused;

/// Hears what the client library tells of the connection.
struct Listener {
    changed: watch::Sender<Changes>,
    /// The last of it. While the server is away, the same is told ten times a second: once is enough for the log.
    reported: Mutex<String>,
}

impl Listener {
    fn note(&self, event: &Event) {
        let is_new = self.is_new(&event.to_string());
        match event {
            Event::Connected => {
                tracing::info!("Connected to the log");
                self.changed.send_modify(|changes| *changes += if *changes % 2 == 0 { 1 } else { 2 });
            }
            Event::Disconnected | Event::Closed => {
                tracing::warn!("Disconnected from the log");
                self.changed.send_modify(|changes| *changes += *changes % 2);
            }
            other if is_new => tracing::warn!(event = %other, "The log's connection reports"),
            _ => {}
        }
    }

    fn is_new(&self, report: &str) -> bool {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = *reported != report;
        report.clone_into(&mut reported);
        is_new
    }
}

/// Asks, after each connection and at each doubt, whether the log keeps the promises that a 2xx makes.
pub(crate) struct Guard {
    jetstream: jetstream::Context,
    monitor_urls: Vec<String>,
    partitions: u16,
    changes: watch::Receiver<Changes>,
    doubts: Arc<Notify>,
    trust: watch::Sender<Trust>,
}

impl Guard {
    /// Runs for as long as the process.
    ///
    /// # Errors
    ///
    /// The log breaks a promise at the first look: it was set up wrongly. Later on that only stops the acceptance of
    /// events, because clients are better served by a 503 than by nobody.
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        let mut was_trusted = false;
        loop {
            self.changes.wait_for(|changes| changes % 2 == 1).await.context("the connection is gone")?;
            match self.verify().await {
                Ok(()) => {
                    was_trusted = true;
                    self.settle(Trust::Given);
                    tokio::select! {
                        changed = self.changes.changed() => {
                            changed.context("the connection is gone")?;
                            self.settle(Trust::Waiting("the log is not connected".to_owned()));
                        }
                        () = self.doubts.notified() => {}
                    }
                }
                Err(Distrust::Broken(promise)) if !was_trusted => anyhow::bail!(promise),
                Err(Distrust::Broken(promise)) => {
                    self.settle(Trust::Refused(promise));
                    tokio::time::sleep(VERIFY_PAUSE).await;
                }
                Err(Distrust::Unknown(err)) => {
                    self.settle(Trust::Waiting(format!("{err:#}")));
                    tokio::time::sleep(VERIFY_PAUSE).await;
                }
            }
        }
    }

    async fn verify(&self) -> Result<(), Distrust> {
        let connected_to = self.jetstream.client().server_info().server_id;
        let monitor_url = durability::verify(&self.monitor_urls, &connected_to).await?;
        health::verify(monitor_url).await.map_err(Distrust::Unknown)?;
        streams::ensure(&self.jetstream, self.partitions).await
    }

    /// Tells those who wait, and logs what is new.
    fn settle(&self, trust: Trust) {
        self.trust.send_if_modified(|known| {
            if *known == trust {
                return false;
            }
            match &trust {
                Trust::Given => tracing::info!("The log keeps its promises"),
                Trust::Waiting(lack) => tracing::warn!(reason = lack, "Waiting for the log"),
                Trust::Refused(promise) => {
                    tracing::error!(reason = promise, "Accepting nothing: the log breaks a promise");
                }
            }
            *known = trust;
            true
        });
    }
}
