//! The connection to the log, and whether the log can be trusted with events.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::{ConnectOptions, Event, jetstream};
use contract::Partition;
use tokio::sync::{Notify, watch};

use crate::config::Config;
use crate::guard::Guard;
use crate::streams::Declaration;

/// One try to publish.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);

/// One question about a stream. Nobody answers while it has no leader; whoever is elected hears only the next one.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(1);

/// Between tries to connect: long enough not to hurt, short enough that a restart of the server goes unnoticed by
/// clients that wait.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);

/// Two pings without an answer, and the connection is given up.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// The same where there are other servers: sooner than these elect another leader in place of one that hangs.
const PING_INTERVAL_IN_CLUSTER: Duration = Duration::from_secs(2);

/// Commands on their way to the connection: one envelope a partition, and a few questions.
const COMMANDS_MAX: usize = 2_048;

/// The log, as ingest sees it.
#[derive(Debug, Clone)]
pub struct Log {
    pub(crate) jetstream: jetstream::Context,
    partitions: u16,
    trust: watch::Receiver<Trust>,
    doubts: Arc<Notify>,
}

/// Whether events may be given to the log now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Not known yet, and why.
    Waiting(String),
    /// Its servers keep their promises, and so do all streams but some.
    Given(Streams),
    /// It breaks one; what to change.
    Refused(String),
}

/// Which streams do not answer: of several servers one has died, and nobody leads what it led. The others need not wait
/// for that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Streams {
    /// Those that have not answered since there is this connection. Who has answered once stays trusted while the
    /// connection does: what it stores its PubAck tells, and who has lost its leader sends none.
    pub(crate) unasked: BTreeSet<Partition>,
    /// Those that did not answer when they were asked last, or were not asked yet, and why.
    pub(crate) silent: BTreeMap<Partition, String>,
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
pub(crate) type Changes = u64;

impl Log {
    /// Connects in the background, for as long as it takes. The guard has to be run: it says when the log is trusted.
    ///
    /// # Errors
    ///
    /// The address cannot be read.
    pub(crate) async fn connect(config: &Config) -> anyhow::Result<(Self, Guard)> {
        let servers = service::config::log_servers(&config.nats_url)?;
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
            .ping_interval(if servers.len() > 1 { PING_INTERVAL_IN_CLUSTER } else { PING_INTERVAL })
            .client_capacity(COMMANDS_MAX)
            .event_callback(move |event| {
                listener.note(&event);
                std::future::ready(())
            });
        if let (Some(user), Some(password)) = (&config.nats_user, &config.nats_password) {
            options = options.user_and_password(user.clone(), password.clone());
        }
        let is_encrypted = config.nats_ca_file.is_some() || servers.iter().any(|server| server.starts_with("tls://"));
        // Of all servers: others may be heard of only from these.
        options = options.require_tls(is_encrypted);
        if let Some(file) = &config.nats_ca_file {
            options = options.add_root_certificates(file.clone());
        }
        let client = options.connect(servers).await.context("reading NATS_URL")?;
        let jetstream = ContextBuilder::new().timeout(REQUEST_TIMEOUT).build(client);
        let (trust, watched) = watch::channel(Trust::Waiting("the log is not connected".to_owned()));
        let doubts = Arc::new(Notify::new());
        let guard = Guard {
            jetstream: ContextBuilder::new().timeout(QUESTION_TIMEOUT).build(jetstream.client()),
            monitor_urls: config.nats_monitor_urls.clone(),
            partitions: config.partitions,
            declaration: Declaration { replicas: config.stream_replicas },
            changes,
            doubts: doubts.clone(),
            trust,
        };
        Ok((Self { jetstream, partitions: config.partitions, trust: watched, doubts }, guard))
    }

    /// Ready, or what is missing, for an operator. Ready is who can store something: as long as some streams have no
    /// leader, all ingests lack the same, and none may be left out for it.
    pub(crate) fn readiness(&self) -> Result<(), String> {
        match &*self.trust.borrow() {
            Trust::Given(Streams { silent, .. }) if silent.len() < usize::from(self.partitions) => Ok(()),
            Trust::Given(streams) => Err(streams.lack()),
            Trust::Waiting(lack) | Trust::Refused(lack) => Err(lack.clone()),
        }
    }

    /// Asks the guard to look again whether the log can be trusted: an envelope got no answer.
    pub(crate) fn doubt(&self) {
        self.doubts.notify_one();
    }

    /// Returns when it is not known any more whether events may be given to the log, as when the connection breaks.
    pub(crate) async fn doubtful(&self) {
        // Without a guard the process is about to end.
        let _ = self.trust.clone().wait_for(|trust| matches!(trust, Trust::Waiting(_))).await;
    }

    /// Waits until events may be given to a partition's stream; returns at once where that needs a person first.
    pub(crate) async fn trusted(&self, partition: Partition) -> Result<(), Refused> {
        let mut trust = self.trust.clone();
        let is_known = |trust: &Trust| match trust {
            Trust::Waiting(_) => false,
            Trust::Given(Streams { unasked, .. }) => !unasked.contains(&partition),
            Trust::Refused(_) => true,
        };
        match trust.wait_for(is_known).await.as_deref() {
            Ok(Trust::Given(_)) => Ok(()),
            _ => Err(Refused),
        }
    }
}

impl Streams {
    /// None of these has been asked.
    pub(crate) fn none_asked(partitions: u16) -> Self {
        let silent = |partition: Partition| (partition, format!("stream {} was not asked yet", partition.stream()));
        Self { unasked: Partition::all(partitions).collect(), silent: Partition::all(partitions).map(silent).collect() }
    }

    /// What an operator is told of them.
    pub(crate) fn lack(&self) -> String {
        self.silent.values().next().cloned().unwrap_or_default()
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
