//! What the environment sets, and how connections are made by it.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::{NonZeroU8, NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::time::Duration;

use database::Session;
use serde::{Deserialize, Serialize};
use service::Address;
use service::access::{self, Origins, Places, Proxies, Rate, Rates, Settings};
use service::config::Variable;
use service::hosts::Hosts;
use service::logging::LogFormat;
use service::server::{self, Connections};
use service::tls::{self, Identity, Tls};
use sqlx::postgres::PgConnectOptions;

/// The variable that names the file of keys.
pub const KEYS_FILE: &str = "QUERY_KEYS_FILE";

/// Of the process itself, with everything that is not counted.
const PROCESS_BYTES: u64 = 64 << 20;

/// A client that has closed its sending side is answered within this time, or not at all: most of those have left, and a report
/// that takes longer keeps a place and a connection from others.
const HALF_CLOSED_TIMEOUT: Duration = Duration::from_secs(1);

/// Of a client of `GET /live`, beyond its connection.
const LIVE_CLIENT_BYTES: u64 = 15 << 10;

/// Of a report that is read: the largest page is 1,000 paths of 2 KiB, as rows and as text; the sketches of users of some days.
const READ_BYTES: u64 = 16 << 20;

/// Of a report that waits for its turn.
const REPORT_BYTES: u64 = 64 << 10;

/// What the environment sets: a field a variable. Has no `Debug`, because the URL holds a password.
#[derive(Clone, Serialize, Deserialize)]
pub struct Config {
    /// The database with the read models: `postgres://user:password@host:port/database`. The role `tidemark_query` has
    /// the rights it takes.
    pub database_url: Address,

    /// A standby of that database, from which all reports are then read. `DATABASE_URL` goes on to serve `GET /live`, which
    /// hears of commits, and of those a standby cannot tell. Default: none, reports are read from `DATABASE_URL`.
    pub read_database_url: Option<Address>,

    /// Where to listen. Default `127.0.0.1:3001`.
    #[serde(default = "query_listen")]
    pub query_listen: SocketAddr,

    /// Where probes are served besides, and metrics instead. Default: nowhere, and metrics are served with all the rest.
    pub query_ops_listen: Option<SocketAddr>,

    /// Connections to Postgres, and so reports that are read at once. Further ones wait. Default 8: a report takes a
    /// few milliseconds, so that is a few thousand reports a second; Postgres takes 100 connections by default.
    #[serde(default = "query_connections_max")]
    pub query_connections_max: NonZeroU32,

    /// Reports that may be in progress at once, whether they are read, wait for a connection, or for an event; a further
    /// one is answered with 503. Default 512: the 256 that may wait for an event, and as many others. With 8 connections
    /// and a few milliseconds each, the last of these comes to its turn after a tenth of a second.
    #[serde(default = "query_reports_max")]
    pub query_reports_max: NonZeroU16,

    /// Milliseconds for one report, with the wait for a connection; then the answer is 503. Default 5000.
    #[serde(default = "query_timeout_ms")]
    pub query_timeout_ms: NonZeroU32,

    /// Milliseconds of these that a report may wait for the event it is asked to contain, `after=<receipt>`; then the
    /// answer is 503. Less than `QUERY_TIMEOUT_MS`, because reading the report takes time, too. Default 2000, or half of
    /// `QUERY_TIMEOUT_MS` where that is less.
    pub query_after_timeout_ms: Option<NonZeroU32>,

    /// Clients of `GET /live` at once; further ones are answered with 503. Default 4096, of the 16,384 connections that
    /// there may be: so reports always find one. Each takes about 15 KB of memory, together 62 MB.
    #[serde(default = "query_live_clients_max")]
    pub query_live_clients_max: NonZeroU32,

    /// Percent of these, of the reports in progress, of those that wait for an event, and of the connections to Postgres
    /// that one client may have: a key, or an address where no keys are asked for. Default 25: three clients that take all
    /// they get leave a quarter to the others. 100 where all requests come from one address and no proxy there is trusted.
    #[serde(default = "query_client_share_percent")]
    pub query_client_share_percent: NonZeroU8,

    /// Milliseconds without totals after which a client of `GET /live` is sent a comment. Default 15000: proxies close
    /// connections that are silent for a minute or half of one.
    #[serde(default = "query_live_heartbeat_ms")]
    pub query_live_heartbeat_ms: NonZeroU32,

    /// The file of keys without which nothing is answered; `query keys` writes it. Default: none, everybody may.
    pub query_keys_file: Option<PathBuf>,

    /// Requests of one address: so many a second, as `50`, or `50:200` with a burst. Default: as many as come.
    pub rate_per_address: Option<Rate>,

    /// The same for requests with one key.
    pub rate_per_key: Option<Rate>,

    /// Addresses or networks, separated by commas, of proxies whose `X-Forwarded-For` is believed. Default: none.
    #[serde(default)]
    pub trusted_proxies: Proxies,

    /// Origins, separated by commas, as `https://shop.example`, whose pages may read reports, with credentials, too.
    /// Default: none; with keys any page that has one may read.
    #[serde(default)]
    pub query_origins: Origins,

    /// Names, separated by commas, by which clients reach the service beside `localhost`, such as the one of a proxy on the
    /// same machine that passes `Host` on. Default: none. On the loopback interface, or with such names, requests by any other
    /// name are refused.
    #[serde(default)]
    pub query_hosts: Hosts,

    /// Connections of clients at once. Default 16,384.
    #[serde(default = "server::default_connections_max")]
    pub http_connections_max: NonZeroU32,

    /// Of these, of one address that is no trusted proxy. Default: three quarters.
    pub http_connections_per_address_max: Option<NonZeroU32>,

    /// Seconds until a connection without a request is closed. Default 650, which is longer than load balancers keep theirs.
    #[serde(default = "server::default_idle_timeout_s")]
    pub http_idle_timeout_s: NonZeroU32,

    /// Certificates of HTTPS in PEM, its own first. Default: none, and HTTP is plain.
    pub tls_cert_file: Option<PathBuf>,

    /// The key of the first one. Both are read again when they change.
    pub tls_key_file: Option<PathBuf>,

    /// `text` or `json`. Default `text`.
    #[serde(default)]
    pub log_format: LogFormat,
}

/// The same for `--help`.
pub const VARIABLES: [Variable; 22] = [
    Variable { name: "DATABASE_URL", meaning: "The read models: postgres://user:password@host:port/database; needed" },
    Variable { name: "READ_DATABASE_URL", meaning: "A standby of that database, to read reports from [none]" },
    Variable { name: "QUERY_LISTEN", meaning: "Where HTTP is served [127.0.0.1:3001]" },
    Variable {
        name: "QUERY_OPS_LISTEN",
        meaning: "Where metrics are served, and probes besides, for operators [none: at QUERY_LISTEN]",
    },
    Variable { name: "QUERY_CONNECTIONS_MAX", meaning: "Connections to Postgres, and so reports read at once [8]" },
    Variable {
        name: "QUERY_REPORTS_MAX",
        meaning: "Reports in progress at once; a further one is answered with 503 [512]",
    },
    Variable { name: "QUERY_TIMEOUT_MS", meaning: "For one report; then the answer is 503 [5000]" },
    Variable {
        name: "QUERY_AFTER_TIMEOUT_MS",
        meaning: "Of these, for the event that a report is to contain [2000, or half of these]",
    },
    Variable { name: "QUERY_LIVE_CLIENTS_MAX", meaning: "Clients of GET /live at once [4096]" },
    Variable {
        name: "QUERY_CLIENT_SHARE_PERCENT",
        meaning: "Of the above that one key or address may have at once [25]",
    },
    Variable {
        name: "QUERY_LIVE_HEARTBEAT_MS",
        meaning: "Without totals, until such a client is sent a comment [15000]",
    },
    Variable {
        name: "QUERY_KEYS_FILE",
        meaning: "The file of keys without which nothing is answered [none: everybody may]",
    },
    Variable {
        name: "QUERY_ORIGINS",
        meaning: "Origins whose pages may read reports, separated by commas [none; with keys, all that have one]",
    },
    Variable {
        name: "QUERY_HOSTS",
        meaning: "Names in Host that are good beside localhost, separated by commas [none; not checked beyond loopback]",
    },
    access::VARIABLES[0],
    access::VARIABLES[1],
    access::VARIABLES[2],
    server::VARIABLES[0],
    server::VARIABLES[1],
    server::VARIABLES[2],
    tls::VARIABLES[0],
    tls::VARIABLES[1],
];

fn query_listen() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 3001).into()
}

fn query_connections_max() -> NonZeroU32 {
    const { NonZeroU32::new(8).expect("8 is not 0") }
}

fn query_reports_max() -> NonZeroU16 {
    const { NonZeroU16::new(512).expect("512 is not 0") }
}

fn query_timeout_ms() -> NonZeroU32 {
    const { NonZeroU32::new(5_000).expect("5,000 is not 0") }
}

fn query_live_clients_max() -> NonZeroU32 {
    const { NonZeroU32::new(4_096).expect("4,096 is not 0") }
}

fn query_client_share_percent() -> NonZeroU8 {
    const { NonZeroU8::new(25).expect("25 is not 0") }
}

fn query_live_heartbeat_ms() -> NonZeroU32 {
    const { NonZeroU32::new(15_000).expect("15,000 is not 0") }
}

/// Of waiting for an event: a projector that keeps up is behind the log by far less.
const AFTER_TIMEOUT_MS_DEFAULT: u32 = 2_000;

impl Config {
    /// Checks what a type cannot.
    ///
    /// # Errors
    ///
    /// Values that cannot work; the message names the variable.
    pub fn check(&self) -> anyhow::Result<()> {
        self.live_options()?;
        self.report_options()?;
        anyhow::ensure!(
            self.query_after_timeout_ms.is_none_or(|after| after < self.query_timeout_ms),
            "QUERY_AFTER_TIMEOUT_MS must be less than QUERY_TIMEOUT_MS, which is {}: it is a part of that time",
            self.query_timeout_ms
        );
        anyhow::ensure!(
            self.query_client_share_percent.get() <= 100,
            "QUERY_CLIENT_SHARE_PERCENT must be from 1 to 100; it is {}",
            self.query_client_share_percent
        );
        self.access().check()?;
        self.identity()?.map_or(Ok(()), |identity| identity.check())
    }

    /// Who may read, and how often.
    pub(crate) fn access(&self) -> Settings {
        Settings {
            keys_file: self.query_keys_file.clone(),
            keys_variable: KEYS_FILE,
            per_address: Rates { requests: self.rate_per_address, ..Rates::default() },
            per_key: Rates { requests: self.rate_per_key, ..Rates::default() },
            trusted_proxies: self.trusted_proxies.clone(),
            takes_basic: true,
        }
    }

    /// The most memory that the process takes by its own bounds, the kernel's part of its connections included. `MemoryMax` of
    /// its unit has to be more.
    pub fn memory_bytes_max(&self) -> u64 {
        let connections = u64::from(self.http_connections_max.get());
        PROCESS_BYTES
            + connections * (server::CONNECTION_BYTES + server::SOCKET_BYTES)
            + u64::from(self.query_live_clients_max.get()) * LIVE_CLIENT_BYTES
            + u64::from(self.query_connections_max.get()) * READ_BYTES
            + u64::from(self.query_reports_max.get()) * REPORT_BYTES
    }

    /// What HTTPS is served with.
    ///
    /// # Errors
    ///
    /// Only one of its files is named.
    pub(crate) fn identity(&self) -> anyhow::Result<Option<Identity>> {
        Identity::of(self.tls_cert_file.as_ref(), self.tls_key_file.as_ref())
    }

    /// How clients are served.
    ///
    /// # Errors
    ///
    /// The files of the certificate cannot be read.
    pub(crate) fn connections(&self) -> anyhow::Result<Connections> {
        Ok(Connections {
            tls: self.identity()?.map(Tls::follow).transpose()?,
            proxies: self.trusted_proxies.clone(),
            connections_max: self.http_connections_max,
            per_address_max: self.http_connections_per_address_max,
            idle_timeout: Duration::from_secs(self.http_idle_timeout_s.get().into()),
            half_closed_timeout: Some(HALF_CLOSED_TIMEOUT),
        })
    }

    pub(crate) fn after_timeout(&self) -> Duration {
        let default = AFTER_TIMEOUT_MS_DEFAULT.min(self.query_timeout_ms.get() / 2);
        let milliseconds = self.query_after_timeout_ms.map_or(default, NonZeroU32::get);
        Duration::from_millis(milliseconds.into())
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.query_timeout_ms.get().into())
    }

    pub(crate) fn live_clients_max(&self) -> usize {
        usize::try_from(self.query_live_clients_max.get()).unwrap_or(usize::MAX)
    }

    /// How many of so many one client may have, at least one.
    pub(crate) fn client_share(&self, all: usize) -> usize {
        all.saturating_mul(self.query_client_share_percent.get().into()).div_ceil(100)
    }

    /// So many places, shared among clients.
    pub(crate) fn places(&self, places_max: usize) -> Places {
        Places::new(places_max, self.client_share(places_max))
    }

    pub(crate) fn live_heartbeat(&self) -> Duration {
        Duration::from_millis(self.query_live_heartbeat_ms.get().into())
    }

    /// How the connection of `GET /live` is made.
    ///
    /// # Errors
    ///
    /// That is no URL of Postgres; the message names the variable.
    pub(crate) fn live_options(&self) -> anyhow::Result<PgConnectOptions> {
        options("DATABASE_URL", &self.database_url)
    }

    /// How connections for reports are made.
    ///
    /// # Errors
    ///
    /// The same.
    pub(crate) fn report_options(&self) -> anyhow::Result<PgConnectOptions> {
        match &self.read_database_url {
            Some(url) => options("READ_DATABASE_URL", url),
            None => self.live_options(),
        }
    }

    /// What each connection is set to.
    pub(crate) fn session(&self) -> Session {
        Session::of(&[
            // What nobody waits for any more ends in the server, too.
            ("statement_timeout", &self.query_timeout_ms.to_string()),
            ("default_transaction_read_only", "on"),
        ])
    }

    /// The databases, by the variables that name them.
    pub(crate) fn databases(&self) -> anyhow::Result<Vec<(&'static str, PgConnectOptions)>> {
        let mut databases = vec![("DATABASE_URL", self.live_options()?)];
        if self.read_database_url.is_some() {
            databases.push(("READ_DATABASE_URL", self.report_options()?));
        }
        Ok(databases)
    }
}

fn options(variable: &'static str, url: &Address) -> anyhow::Result<PgConnectOptions> {
    Ok(database::options(variable, url.with_credentials())?.application_name("tidemark-query"))
}

#[cfg(test)]
mod tests {
    use service::command::UnitLimits;

    use super::*;

    fn config(query_timeout_ms: u32, query_after_timeout_ms: Option<u32>) -> Config {
        Config {
            database_url: "postgres://nobody@nowhere/nothing".into(),
            read_database_url: None,
            query_listen: query_listen(),
            query_ops_listen: None,
            query_connections_max: query_connections_max(),
            query_reports_max: query_reports_max(),
            query_timeout_ms: NonZeroU32::new(query_timeout_ms).expect("not 0"),
            query_after_timeout_ms: query_after_timeout_ms.and_then(NonZeroU32::new),
            query_live_clients_max: query_live_clients_max(),
            query_client_share_percent: query_client_share_percent(),
            query_live_heartbeat_ms: query_live_heartbeat_ms(),
            query_keys_file: None,
            rate_per_address: None,
            rate_per_key: None,
            trusted_proxies: Proxies::default(),
            query_origins: Origins::default(),
            query_hosts: Hosts::default(),
            http_connections_max: server::default_connections_max(),
            http_connections_per_address_max: None,
            http_idle_timeout_s: server::default_idle_timeout_s(),
            tls_cert_file: None,
            tls_key_file: None,
            log_format: LogFormat::default(),
        }
    }

    #[test]
    fn the_unit_and_the_container_allow_what_the_bounds_come_to() {
        let config = config(5_000, None);
        let unit = UnitLimits::read(include_str!("../../deploy/systemd/tidemark-query.service")).expect("limits");
        let needed = config.memory_bytes_max();
        assert!((needed..2 * needed).contains(&unit.memory_bytes_max), "{needed} of {}", unit.memory_bytes_max);
        assert!(unit.files_max >= u64::from(config.http_connections_max.get()) + 1_000, "{}", unit.files_max);
        let compose = include_str!("../../compose.yaml");
        let (_, query) = compose.split_once("\n  query:\n").expect("the service");
        let (_, limit) = query.split_once("mem_limit: ").expect("a limit");
        assert!(limit.starts_with(&format!("{}m\n", unit.memory_bytes_max >> 20)), "{}", &limit[..10]);
        let documented = format!("{} MiB", needed >> 20).replace("1308", "1,308");
        let limits = include_str!("../../docs/limits.md");
        assert!(limits.contains(&documented), "docs/limits.md does not say {documented}");
    }

    #[test]
    fn a_wait_ends_before_the_time_for_its_report() {
        for (timeout, after) in [(5_000, 2_000), (4_000, 2_000), (500, 250), (1, 0)] {
            assert_eq!(config(timeout, None).after_timeout(), Duration::from_millis(after));
            assert!(config(timeout, None).check().is_ok());
        }
        assert_eq!(config(5_000, Some(4_999)).after_timeout(), Duration::from_millis(4_999));
        assert!(config(5_000, Some(4_999)).check().is_ok());
        let message = config(5_000, Some(5_000)).check().expect_err("a contradiction").to_string();
        assert!(message.starts_with("QUERY_AFTER_TIMEOUT_MS must be less than QUERY_TIMEOUT_MS, which is 5000"));
    }

    #[test]
    fn a_client_has_at_least_one_and_never_more_than_all() {
        for (percent, all, share) in [(25, 8, 2), (25, 512, 128), (25, 1, 1), (1, 99, 1), (100, 3, 3)] {
            let query_client_share_percent = NonZeroU8::new(percent).expect("not 0");
            let config = Config { query_client_share_percent, ..config(5_000, None) };
            assert_eq!(config.client_share(all), share, "{percent} % of {all}");
            assert!(config.check().is_ok());
        }
        let too_much = NonZeroU8::new(101).expect("not 0");
        let message =
            Config { query_client_share_percent: too_much, ..config(5_000, None) }.check().expect_err("more than all");
        assert!(message.to_string().starts_with("QUERY_CLIENT_SHARE_PERCENT must be"), "{message}");
    }
}
