//! What can be set from outside: a field is an environment variable of the same name in capitals.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use event_log::connect::Access;
use fold::{FoldVersion, WindowSeconds};
use serde::Deserialize;
use service::Address;
use service::listener::tls::check_authorities;
use service::logging::LogFormat;
use sqlx::postgres::PgConnectOptions;

/// The longest a statement may take; then the batch is begun again.
pub(crate) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

service::config! {
    /// Configuration of the process. Not `Debug`: it holds secrets.
    pub struct Config {
        /// The read models: `postgres://user:password@host:port/database`; needed.
        ///
        /// The user of the database may write them.
        pub database_url: Address,
        /// The log's servers, separated by commas. Default: `nats://127.0.0.1:4222`.
        ///
        /// Credentials are in `NATS_USER` and `NATS_PASSWORD`.
        pub nats_url: Address = "nats://127.0.0.1:4222".into(),
        /// User of the log. Default: none.
        pub nats_user: Option<String>,
        /// Password of the user. Default: none.
        #[serde(serialize_with = "service::config::secret")]
        pub nats_password: Option<String>,
        /// Authorities in PEM, one of which certifies the log. Default: the system's, for `tls://`.
        ///
        /// Setting it makes TLS mandatory.
        pub nats_ca_file: Option<PathBuf>,
        /// Where health and metrics are served. Default: 127.0.0.1:3002.
        pub projector_listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 3002)),
        /// Secret under which users are counted, 32 hexadecimal digits. Default: one that all know.
        ///
        /// It must not change within a generation. The default is used with a warning.
        #[serde(serialize_with = "service::config::secret")]
        pub sketch_key: Option<SketchKey>,
        /// Seconds of log time within which a repeat is known, 60 to 86400. Default: 3600.
        ///
        /// An event with a known `event_id` is not counted. The window must not change within a generation. An id costs
        /// about 20 bytes of memory in that time.
        pub event_id_window_s: u32 = 3_600,
        /// The newest fold to build. Default: the newest there is.
        ///
        /// A projector that is held back keeps generations of its fold current, and leaves newer ones to others.
        pub fold_version: Option<i32>,
        /// Without a sign of life, until others take over, 1500 to 60000. Default: 5000.
        ///
        /// Other projectors then take this one's partitions over.
        pub lease_ms: u64 = 5_000,
        /// Events of one transaction. Default: 50000, more in a build.
        ///
        /// A batch also ends at 16 MiB of deltas, after half a second, and where the log is drained. A build is wider while
        /// reports do not need it yet.
        pub batch_events_max: Option<NonZeroU32>,
        /// Former generations that are kept for a rollback. Default: 1.
        ///
        /// Each generation is as large as the active one.
        pub generations_kept: u32 = 1,
        /// Without a commit of what is there, until /readyz says so, 1000 to 3600000. Default: 60000.
        ///
        /// A batch is read within 10 seconds, and made narrower where its commit takes 10 more.
        pub stall_max_ms: u64 = 60_000,
        /// Format of log lines: text or json. Default: text.
        pub log_format: LogFormat,
    }
}

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
    pub fn stall_max(&self) -> anyhow::Result<Duration> {
        anyhow::ensure!((1_000..=3_600_000).contains(&self.stall_max_ms), "STALL_MAX_MS must be 1000 to 3600000");
        Ok(Duration::from_millis(self.stall_max_ms))
    }

    /// The newest fold to build.
    pub fn newest_fold(&self) -> anyhow::Result<FoldVersion> {
        let newest = self.fold_version.map(FoldVersion::try_from).transpose().context("reading FOLD_VERSION")?;
        Ok(newest.unwrap_or(FoldVersion::NEWEST))
    }
}
