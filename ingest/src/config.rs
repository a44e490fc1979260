//! Configuration: each field is an environment variable of the same name in capitals.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use event_log::connect::Access;
use service::Address;
use service::access::{AnswerLimits, Proxies, Rate, Rates, Settings};
use service::listener::tls::{self, Identity, Tls};
use service::listener::{self, Connections};
use service::logging::LogFormat;

/// Variable that names the file of keys.
pub const KEYS_FILE: &str = "INGEST_KEYS_FILE";

/// Memory of the process itself: the log's client, and everything that is not counted.
const PROCESS_BYTES: u64 = 64 << 20;

service::config! {
    /// Configuration of the process. Not `Debug`: it holds a password.
    pub struct Config {
        /// Address of HTTP. Default: 127.0.0.1:3000.
        pub ingest_listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 3000)),
        /// Address for operators, of metrics and probes. Default: none: metrics at `INGEST_LISTEN`.
        pub ingest_ops_listen: Option<SocketAddr>,
        /// The log's servers, separated by commas. Default: `nats://127.0.0.1:4222`.
        ///
        /// Credentials are in `NATS_USER` and `NATS_PASSWORD`.
        pub nats_url: Address = "nats://127.0.0.1:4222".into(),
        /// User of the log. Default: none.
        pub nats_user: Option<String>,
        /// Password of the user. Default: none.
        #[serde(serialize_with = "service::config::secret")]
        pub nats_password: Option<String>,
        /// Certificates of the log's authorities in PEM. Default: the system's, for `tls://`.
        ///
        /// With such a file the log's servers must use TLS, with a certificate of one of these authorities.
        pub nats_ca_file: Option<PathBuf>,
        /// Monitoring addresses of the log's servers, separated by commas. Default: `http://127.0.0.1:8222`.
        ///
        /// There ingest checks that each server syncs before it acknowledges.
        pub nats_monitor_urls: Vec<Address> = vec!["http://127.0.0.1:8222".into()],
        /// Copies of a stream, on as many servers: 1, 3 or 5. Default: 1.
        ///
        /// Streams that exist stay as they are.
        pub stream_replicas: u8 = 1,
        /// Partitions of the log, 1 to 1000. Default: 4.
        ///
        /// More can be added later; a site may then move to another one.
        pub partitions: u16 = 4,
        /// Milliseconds until an event without a confirmation is answered with 503. Default: 5000.
        pub publish_deadline_ms: u64 = 5_000,
        /// Bytes of events that may wait for the log. Default: 67108864.
        ///
        /// At 200 bytes and 512 of bookkeeping an event, these 64 MiB are 94,000 events.
        pub queue_bytes_max: usize = 64 << 20,
        /// Bytes of request bodies that may be in memory. Default: 134217728.
        ///
        /// These 128 MiB are sixteen of the largest, or a thousand times as many ordinary ones.
        pub bodies_bytes_max: usize = 128 << 20,
        /// File of the keys that clients need. Default: none: clients need no key.
        ///
        /// `ingest keys` writes it.
        pub ingest_keys_file: Option<PathBuf>,
        /// Maximum requests of one address a second, 50, or 50:200 with a burst. Default: no limit.
        pub rate_per_address: Option<Rate>,
        /// Maximum requests with one key a second. Default: no limit.
        pub rate_per_key: Option<Rate>,
        /// Addresses or networks of proxies whose X-Forwarded-For is trusted, separated by commas. Default: none.
        pub trusted_proxies: Proxies,
        /// Maximum events of one address a second, 1000, or 1000:20000 with a burst. Default: no limit.
        ///
        /// A request with more events than the burst is always refused.
        pub rate_events_per_address: Option<Rate>,
        /// Maximum events with one key a second. Default: no limit.
        pub rate_events_per_key: Option<Rate>,
        /// Maximum bytes of bodies of one address a second, unpacked, 1000000, or 1000000:16000000 with a burst.
        /// Default: no limit.
        pub rate_bytes_per_address: Option<Rate>,
        /// Maximum bytes of bodies with one key a second. Default: no limit.
        pub rate_bytes_per_key: Option<Rate>,
        /// Maximum connections of clients. Default: 16384.
        pub http_connections_max: NonZeroU32 = listener::default_connections_max(),
        /// Maximum connections of one address that is no trusted proxy. Default: three quarters of all.
        pub http_connections_per_address_max: Option<NonZeroU32>,
        /// Seconds until a connection without a request is closed; more than those of a proxy. Default: 650.
        pub http_idle_timeout_s: NonZeroU32 = listener::default_idle_timeout_s(),
        /// Certificate of HTTPS in PEM, followed by those of its authorities. Default: none: plain HTTP.
        pub tls_cert_file: Option<PathBuf>,
        /// Key of the certificate in PEM; both files are read again when they change.
        pub tls_key_file: Option<PathBuf>,
        /// Format of log lines: text or json. Default: text.
        pub log_format: LogFormat,
    }
}

impl Config {
    /// How the log is reached.
    pub(crate) fn log_access(&self) -> Access<'_> {
        Access {
            service: "ingest",
            urls: &self.nats_url,
            user: self.nats_user.as_deref(),
            password: self.nats_password.as_deref(),
            ca_file: self.nats_ca_file.as_ref(),
        }
    }

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
            matches!(self.stream_replicas, 1 | 3 | 5),
            "STREAM_REPLICAS must be 1, 3 or 5: one copy more than an odd number survives no further failure"
        );
        anyhow::ensure!(
            (100..=60_000).contains(&self.publish_deadline_ms),
            "PUBLISH_DEADLINE_MS must be 100 to 60000: an envelope may be sent again only within the log's duplicate window of two minutes"
        );
        self.log_access().servers()?;
        // Otherwise one batch of the largest size could never be accepted.
        let least = 2 * crate::batch::BATCH_BYTES_MAX;
        anyhow::ensure!(self.queue_bytes_max >= least, "QUEUE_BYTES_MAX must be at least {least}");
        anyhow::ensure!(self.bodies_bytes_max >= 2 * least, "BODIES_BYTES_MAX must be at least {}", 2 * least);
        anyhow::ensure!(!self.nats_monitor_urls.is_empty(), "NATS_MONITOR_URLS must name the log's monitoring address");
        self.check_files()
    }

    /// Settings of access.
    pub(crate) fn access(&self) -> Settings {
        Settings {
            keys_file: self.ingest_keys_file.clone(),
            keys_variable: KEYS_FILE,
            per_address: Rates {
                requests: self.rate_per_address,
                events: self.rate_events_per_address,
                bytes: self.rate_bytes_per_address,
            },
            per_key: Rates {
                requests: self.rate_per_key,
                events: self.rate_events_per_key,
                bytes: self.rate_bytes_per_key,
            },
            trusted_proxies: self.trusted_proxies.clone(),
            takes_basic: false,
            answers: AnswerLimits::default(),
        }
    }

    /// The certificate of HTTPS and its key.
    pub(crate) fn identity(&self) -> anyhow::Result<Option<Identity>> {
        Identity::of(self.tls_cert_file.as_ref(), self.tls_key_file.as_ref())
    }

    /// Settings of connections.
    pub(crate) fn connections(&self) -> anyhow::Result<Connections> {
        Ok(Connections {
            tls: self.identity()?.map(Tls::follow).transpose()?,
            proxies: self.trusted_proxies.clone(),
            connections_max: self.http_connections_max,
            per_address_max: self.http_connections_per_address_max,
            idle_timeout: Duration::from_secs(self.http_idle_timeout_s.get().into()),
            half_closed_timeout: None,
        })
    }

    fn check_files(&self) -> anyhow::Result<()> {
        self.access().check()?;
        tls::check_authorities("NATS_CA_FILE", self.nats_ca_file.as_ref())?;
        self.identity()?.map_or(Ok(()), |identity| identity.check())
    }

    /// Maximum memory of the process by its own bounds, with the kernel's part of its connections. Bodies count three times
    /// (as received, as copied while they grow, as lines), the queue twice (as lines, as envelopes), answers twice (their
    /// buffers double when they are full). `MemoryMax` of the unit has to be more.
    pub fn memory_bytes_max(&self) -> u64 {
        let tls = self.tls_cert_file.as_ref().map_or(0, |_| listener::tls_memory_bytes_max(self.http_connections_max));
        let (bodies, queue) = (self.bodies_bytes_max as u64, self.queue_bytes_max as u64);
        PROCESS_BYTES
            + listener::memory_bytes_max(self.http_connections_max)
            + tls
            + AnswerLimits::default().memory_bytes_max()
            + 3 * bodies
            + 2 * queue
    }

    /// Maximum time from an event's arrival to its answer.
    pub fn publish_deadline(&self) -> Duration {
        Duration::from_millis(self.publish_deadline_ms)
    }
}

#[cfg(test)]
mod tests {
    use service::cli::UnitLimits;

    use super::*;

    #[test]
    fn the_unit_and_the_container_allow_what_the_bounds_come_to() {
        let config = Config::default();
        let unit = UnitLimits::read(include_str!("../../deploy/systemd/tidemark-ingest.service")).expect("limits");
        let needed = config.memory_bytes_max();
        let with_tls = Config { tls_cert_file: Some(PathBuf::new()), ..config.clone() }.memory_bytes_max();
        assert!((with_tls..2 * needed).contains(&unit.memory_bytes_max), "{with_tls} of {}", unit.memory_bytes_max);
        assert!(unit.files_max >= u64::from(config.http_connections_max.get()) + 1_000, "{}", unit.files_max);
        let compose = include_str!("../../compose.yaml");
        let (_, ingest) = compose.split_once("\n  ingest:\n").expect("the service");
        let (_, limit) = ingest.split_once("mem_limit: ").expect("a limit");
        assert!(limit.starts_with(&format!("{}m\n", unit.memory_bytes_max >> 20)), "{}", &limit[..10]);
        let documented = format!("{} MiB, with TLS {} MiB", needed >> 20, with_tls >> 20);
        let documented = documented.replace("1664", "1,664").replace("2304", "2,304");
        let limits = include_str!("../../docs/limits.md");
        assert!(limits.contains(&documented), "docs/limits.md does not say {documented}");
    }
}
