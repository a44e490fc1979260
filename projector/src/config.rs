//! What can be set from outside: a field is an environment variable of the same name in capitals.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use event_log::connect::Access;
use fold::{FoldVersion, WindowSeconds};
use serde::{Deserialize, Serialize};
use service::Address;
use service::cli::TRACES;
use service::config::Variable;
use service::listener::tls::check_authorities;
use service::logging::LogFormat;
use sqlx::postgres::PgConnectOptions;

/// The longest a statement may take; then the batch is begun again.
pub(crate) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// Configuration of the process. Not `Debug`: it holds secrets.
#[derive(Clone, Serialize, Deserialize)]
pub struct Config {
    /// The read models, as a user that may write them: `postgres://user:password@host:port/database`.
    pub database_url: Address,
    /// The log's servers, separated by commas, without credentials. Default `nats://127.0.0.1:4222`.
    #[serde(default = "default_nats_url")]
    pub nats_url: Address,
    /// User of the log's server. Default: none.
    pub nats_user: Option<String>,
    /// Password of the user.
    #[serde(serialize_with = "service::config::secret")]
    pub nats_password: Option<String>,
    /// PEM file with the authorities that certify the log's servers. Setting it makes TLS mandatory.
    /// Default: those that the system trusts, where a URL begins with `tls://`.
    pub nats_ca_file: Option<PathBuf>,
    /// Where health and metrics are served. Default `127.0.0.1:3002`.
    #[serde(default = "default_projector_listen")]
    pub projector_listen: SocketAddr,
    /// 32 hexadecimal digits, the secret under which users are counted. It must not change within a generation.
    /// Default: a public key, with a warning.
    #[serde(serialize_with = "service::config::secret")]
    pub sketch_key: Option<SketchKey>,
    /// Seconds of log time within which an event with a known `event_id` is a repeat and not counted: 60 to 86,400. It
    /// must not change within a generation. Default 3,600. An id costs about 20 bytes of memory in that time.
    #[serde(default = "default_event_id_window_s")]
    pub event_id_window_s: u32,
    /// The newest fold to build, 2 to 5. Default: the newest there is. A projector that is held back keeps generations
    /// of its fold current, and leaves newer ones to others.
    pub fold_version: Option<i32>,
    /// Milliseconds without a sign of life after which another projector takes this one's partitions over: 1,500
    /// to 60,000. Default 5,000.
    #[serde(default = "default_lease_ms")]
    pub lease_ms: u64,
    /// Events of one batch, that is of one transaction; a batch also ends at 16 MiB of deltas, after half a second, and
    /// where the log is drained. Default 50,000, and more in a build that reports do not need yet.
    pub batch_events_max: Option<NonZeroU32>,
    /// Generations that were active before and are kept for a rollback. Default 1; each is as large as the active one.
    #[serde(default = "default_generations_kept")]
    pub generations_kept: u32,
    /// Milliseconds after which a partition that has something to fold and commits nothing of it makes `/readyz` fail: 1,000
    /// to 3,600,000. Default 60,000: a batch is read within 10 seconds, and made narrower where its commit takes 10 more.
    #[serde(default = "default_stall_max_ms")]
    pub stall_max_ms: u64,
    /// `text` or `json`. Default `text`.
    #[serde(default)]
    pub log_format: LogFormat,
}

/// Variables for `--help`.
pub const VARIABLES: [Variable; 16] = [
    Variable { name: "DATABASE_URL", meaning: "The read models: postgres://user:password@host:port/database; needed" },
    Variable { name: "NATS_URL", meaning: "The log's servers, separated by commas [nats://127.0.0.1:4222]" },
    Variable { name: "NATS_USER", meaning: "User of the log [none]" },
    Variable { name: "NATS_PASSWORD", meaning: "Its password [none]" },
    Variable {
        name: "NATS_CA_FILE",
        meaning: "Authorities in PEM, one of which certifies the log [the system's, for tls://]",
    },
    Variable { name: "PROJECTOR_LISTEN", meaning: "Where health and metrics are served [127.0.0.1:3002]" },
    Variable {
        name: "SKETCH_KEY",
        meaning: "Secret under which users are counted, 32 hexadecimal digits [one that all know]",
    },
    Variable {
        name: "EVENT_ID_WINDOW_S",
        meaning: "Seconds of log time within which a repeat is known, 60 to 86400 [3600]",
    },
    Variable { name: "FOLD_VERSION", meaning: "The newest fold to build [the newest there is]" },
    Variable { name: "LEASE_MS", meaning: "Without a sign of life, until others take over, 1500 to 60000 [5000]" },
    Variable { name: "BATCH_EVENTS_MAX", meaning: "Events of one transaction [50000, more in a build]" },
    Variable { name: "GENERATIONS_KEPT", meaning: "Former generations that are kept for a rollback [1]" },
    Variable {
        name: "STALL_MAX_MS",
        meaning: "Without a commit of what is there, until /readyz says so, 1000 to 3600000 [60000]",
    },
    TRACES[0],
    TRACES[1],
    TRACES[2],
];

/// Configuration of `projector migrate`.
#[derive(Clone, Deserialize)]
pub struct MigrateConfig {
    /// The read models' database, as its owner, who may make roles.
    pub database_url: Address,
    /// Lets the role `tidemark_projector` log in with this password. Default: it stays as it is.
    pub projector_db_password: Option<String>,
    /// Lets the role `tidemark_query` log in with this password. Default: it stays as it is.
    pub query_db_password: Option<String>,
    /// `text` or `json`. Default `text`.
    #[serde(default)]
    pub log_format: LogFormat,
}

/// A key from the environment.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct SketchKey(pub contract::SketchKey);

impl TryFrom<String> for SketchKey {
    type Error = contract::digest::InvalidSketchKey;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

impl Config {
    /// How the log is reached.
    pub(crate) fn log_access(&self) -> Access<'_> {
        Access {
            service: "projector",
            urls: &self.nats_url,
            user: self.nats_user.as_deref(),
            password: self.nats_password.as_deref(),
            ca_file: self.nats_ca_file.as_ref(),
        }
    }

    /// How long a partition stays with a projector that gives no sign of life.
    ///
    /// # Errors
    ///
    /// The variable is out of its bounds.
    pub fn lease(&self) -> anyhow::Result<Duration> {
        anyhow::ensure!((1_500..=60_000).contains(&self.lease_ms), "LEASE_MS must be 1500 to 60000");
        Ok(Duration::from_millis(self.lease_ms))
    }

    /// The secret under which users are counted.
    pub fn key(&self) -> contract::SketchKey {
        self.sketch_key.clone().map_or_else(
            || {
                tracing::warn!(
                    "SKETCH_KEY is not set: users are counted under a key that is public, with which any number of \
                     users can be made up. `openssl rand -hex 16` makes one"
                );
                contract::SketchKey::for_development()
            },
            |key| key.0,
        )
    }

    /// How long event ids are remembered.
    ///
    /// # Errors
    ///
    /// The variable is out of its bounds.
    pub fn window(&self) -> anyhow::Result<WindowSeconds> {
        WindowSeconds::try_from(self.event_id_window_s).context("reading EVENT_ID_WINDOW_S")
    }

    /// Checks what a type cannot.
    ///
    /// # Errors
    ///
    /// Values that cannot work; the message names the variable.
    pub fn check(&self) -> anyhow::Result<()> {
        self.connect_options()?;
        self.log_access().servers()?;
        self.lease()?;
        self.window()?;
        self.newest_fold()?;
        self.stall_max()?;
        check_authorities("NATS_CA_FILE", self.nats_ca_file.as_ref())
    }

    /// Where the read models are.
    pub(crate) fn connect_options(&self) -> anyhow::Result<PgConnectOptions> {
        Ok(database::options("DATABASE_URL", self.database_url.with_credentials())?)
    }

    /// How long nothing may be committed where there is something to fold.
    ///
    /// # Errors
    ///
    /// The variable is out of its bounds.
    pub fn stall_max(&self) -> anyhow::Result<Duration> {
        anyhow::ensure!((1_000..=3_600_000).contains(&self.stall_max_ms), "STALL_MAX_MS must be 1000 to 3600000");
        Ok(Duration::from_millis(self.stall_max_ms))
    }

    /// The newest fold to build.
    ///
    /// # Errors
    ///
    /// There is no such fold.
    pub fn newest_fold(&self) -> anyhow::Result<FoldVersion> {
        let newest = self.fold_version.map(FoldVersion::try_from).transpose().context("reading FOLD_VERSION")?;
        Ok(newest.unwrap_or(FoldVersion::NEWEST))
    }
}

fn default_nats_url() -> Address {
    "nats://127.0.0.1:4222".into()
}

fn default_projector_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 3002))
}

fn default_lease_ms() -> u64 {
    5_000
}

fn default_stall_max_ms() -> u64 {
    60_000
}

fn default_event_id_window_s() -> u32 {
    3_600
}

fn default_generations_kept() -> u32 {
    1
}
