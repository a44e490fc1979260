//! What can be set from outside: a field is an environment variable of the same name in capitals.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use service::access::{Proxies, Rate, Settings};
use service::logging::LogFormat;

/// The variable that names the file of keys.
pub const KEYS_FILE: &str = "INGEST_KEYS_FILE";

/// Configuration of the process. Not `Debug`: it holds a password.
#[derive(Clone, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Where HTTP is served. Default `127.0.0.1:3000`.
    pub ingest_listen: SocketAddr,
    /// The log's servers, separated by commas, without credentials. Default `nats://127.0.0.1:4222`.
    pub nats_url: String,
    /// User of the log's server. Default: none.
    pub nats_user: Option<String>,
    /// Its password.
    pub nats_password: Option<String>,
    /// Monitoring addresses of the log's servers, separated by commas: there ingest asks whether each syncs before it
    /// acknowledges. Default `http://127.0.0.1:8222`.
    pub nats_monitor_urls: Vec<String>,
    /// Partitions of the log, 1 to 1,000. More can be added later; a site may then move to another one. Default 4.
    pub partitions: u16,
    /// Milliseconds after which an event that is not surely stored is answered with 503. Default 5,000.
    pub publish_deadline_ms: u64,
    /// Bytes of events that may wait for the log: at 200 bytes and 512 of bookkeeping an event, the default of 64 MiB
    /// is 94,000 events.
    pub queue_bytes_max: usize,
    /// Bytes of request bodies that may be in memory. The default of 128 MiB is sixteen of the largest, or a thousand
    /// times as many ordinary ones.
    pub bodies_bytes_max: usize,
    /// The file of keys without which nothing is accepted; `ingest keys` writes it. Default: none, everybody may.
    pub ingest_keys_file: Option<PathBuf>,
    /// Requests of one address: so many a second, as `50`, or `50:200` with a burst. Default: as many as come.
    pub rate_per_address: Option<Rate>,
    /// The same for requests with one key.
    pub rate_per_key: Option<Rate>,
    /// Addresses or networks, separated by commas, of proxies whose `X-Forwarded-For` is believed. Default: none.
    pub trusted_proxies: Proxies,
    /// `text` or `json`. Default `text`.
    pub log_format: LogFormat,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ingest_listen: SocketAddr::from(([127, 0, 0, 1], 3000)),
            nats_url: "nats://127.0.0.1:4222".to_owned(),
            nats_user: None,
            nats_password: None,
            nats_monitor_urls: vec!["http://127.0.0.1:8222".to_owned()],
            partitions: 4,
            publish_deadline_ms: 5_000,
            queue_bytes_max: 64 << 20,
            bodies_bytes_max: 128 << 20,
            ingest_keys_file: None,
            rate_per_address: None,
            rate_per_key: None,
            trusted_proxies: Proxies::default(),
            log_format: LogFormat::default(),
        }
    }
}

impl Config {
    /// Checks what a type cannot.
    ///
    /// # Errors
    ///
    /// Values that contradict each other or cannot work; the message names the variable.
    pub fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            (1..=contract::Partition::COUNT_MAX).contains(&self.partitions),
            "PARTITIONS must be 1 to {}",
            contract::Partition::COUNT_MAX
        );
        anyhow::ensure!(
            (100..=60_000).contains(&self.publish_deadline_ms),
            "PUBLISH_DEADLINE_MS must be 100 to 60000: an envelope may be sent again only within the log's duplicate window of two minutes"
        );
        // Otherwise one batch of the largest size could never be taken.
        let least = 2 * crate::batch::BATCH_BYTES_MAX;
        anyhow::ensure!(self.queue_bytes_max >= least, "QUEUE_BYTES_MAX must be at least {least}");
        anyhow::ensure!(self.bodies_bytes_max >= 2 * least, "BODIES_BYTES_MAX must be at least {}", 2 * least);
        anyhow::ensure!(!self.nats_monitor_urls.is_empty(), "NATS_MONITOR_URLS must name the log's monitoring address");
        Ok(())
    }

    /// Who may send, and how often.
    pub(crate) fn access(&self) -> Settings {
        Settings {
            keys_file: self.ingest_keys_file.clone(),
            keys_variable: KEYS_FILE,
            rate_per_address: self.rate_per_address,
            rate_per_key: self.rate_per_key,
            trusted_proxies: self.trusted_proxies.clone(),
            takes_basic: false,
        }
    }

    /// From an event's arrival to its 503.
    pub fn publish_deadline(&self) -> Duration {
        Duration::from_millis(self.publish_deadline_ms)
    }
}
