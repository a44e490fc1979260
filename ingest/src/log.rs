//! The connection to the log, and whether the log can be trusted with events.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::{ConnectOptions, jetstream};
use contract::Partition;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::clocks::{Clocks, Present};
use crate::config::Config;
use crate::guard::Guard;
use crate::listener::{Complaints, Listener, is_fresh};
use crate::streams::Declaration;
use crate::trust::{Class, Lack, Streams, Trust};

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
    clocks: Arc<Clocks>,
    complaints: Arc<Complaints>,
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
        let complaints = Arc::new(Complaints::default());
        let listener = Listener { changed: sender, reported: Mutex::default(), complaints: complaints.clone() };
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
        let detail = "the log is not connected".to_owned();
        let (trust, watched) = watch::channel(Trust::Waiting(Lack { class: Class::NotConnected, detail }));
        let (doubts, clocks) = (Arc::new(Notify::new()), Arc::new(Clocks::default()));
        let guard = Guard {
            jetstream: ContextBuilder::new().timeout(QUESTION_TIMEOUT).build(jetstream.client()),
            monitor_urls: config.nats_monitor_urls.clone(),
            partitions: config.partitions,
            declaration: Declaration { replicas: config.stream_replicas },
            changes,
            doubts: doubts.clone(),
            clocks: clocks.clone(),
            trust,
        };
        Ok((Self { jetstream, partitions: config.partitions, trust: watched, doubts, clocks, complaints }, guard))
    }

    /// Ready, or the class of what is missing. Ready is who can store something: as long as some streams have no leader,
    /// all ingests lack the same, and none may be left out for it.
    pub(crate) fn readiness(&self) -> Result<(), String> {
        let lack = match &*self.trust.borrow() {
            Trust::Given(streams) => {
                let complaints = self.complaints();
                let lacks = |partition: &Partition| {
                    streams.silent.contains_key(partition) || is_fresh(complaints.get(partition))
                };
                if !Partition::all(self.partitions).all(|partition| lacks(&partition)) {
                    return Ok(());
                }
                streams.lack().map_or(Class::NotPermitted, |lack| lack.class)
            }
            Trust::Waiting(lack) | Trust::Refused(lack) => lack.class,
        };
        Err(lack.to_string())
    }

    /// The latest that it can be.
    pub(crate) fn present(&self) -> Present {
        self.clocks.present()
    }

    /// Bytes of a message, headers included, that a partition's stream takes.
    pub(crate) fn message_bytes_max(&self, partition: Partition) -> usize {
        let connection = self.jetstream.client().max_payload();
        match &*self.trust.borrow() {
            Trust::Given(streams) => {
                streams.message_bytes_max.get(&partition).map_or(connection, |bytes| connection.min(*bytes))
            }
            _ => connection,
        }
    }

    /// The least of what streams take.
    pub(crate) fn least_message_bytes_max(&self) -> usize {
        let connection = self.jetstream.client().max_payload();
        match &*self.trust.borrow() {
            Trust::Given(streams) => streams.message_bytes_max.values().fold(connection, |least, max| least.min(*max)),
            _ => connection,
        }
    }

    /// A partition's stream refuses what is published.
    pub(crate) fn complain(&self, partition: Partition) {
        self.complaints().insert(partition, Instant::now());
    }

    /// It takes something.
    pub(crate) fn settle_complaint(&self, partition: Partition) {
        self.complaints().remove(&partition);
    }

    /// Whether what a partition's stream lacks needs a person first, as far as is known.
    pub(crate) fn needs_change(&self, partition: Partition) -> bool {
        let is_refused = is_fresh(self.complaints().get(&partition));
        is_refused
            || match &*self.trust.borrow() {
                Trust::Given(Streams { silent, .. }) => {
                    silent.get(&partition).is_some_and(|lack| lack.class == Class::PeerUnknown)
                }
                Trust::Waiting(lack) => lack.class == Class::PeerUnknown,
                Trust::Refused(_) => false,
            }
    }

    fn complaints(&self) -> MutexGuard<'_, BTreeMap<Partition, Instant>> {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner)
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
            Trust::Given(Streams { untrusted, .. }) => !untrusted.contains(&partition),
            Trust::Refused(_) => true,
        };
        match trust.wait_for(is_known).await.as_deref() {
            Ok(Trust::Given(_)) => Ok(()),
            Ok(Trust::Refused(lack)) if lack.class == Class::ClocksDiffer => Err(Refused::ByClocks),
            _ => Err(Refused::ByPromise),
        }
    }
}

/// Why nothing may be given to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It breaks a promise.
    ByPromise,
    /// Its clock and that of ingest differ.
    ByClocks,
}
