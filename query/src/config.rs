//! The configuration from the environment, and the options of connections that follow from it.

mod memory;

use std::net::{Ipv4Addr, SocketAddr};
use std::num::{NonZeroU8, NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::time::Duration;

use database::Session;
use service::Address;
use service::access::{Origins, Places, Proxies, Rate, Rates, Settings};
use service::http::hosts::Hosts;
use service::listener::tls::{Identity, Tls};
use service::listener::{self, Connections};
use service::logging::LogFormat;
use sqlx::postgres::PgConnectOptions;

/// The variable that names the file of keys.
pub const KEYS_FILE: &str = "QUERY_KEYS_FILE";

/// The timeout of a report whose client has closed its sending side: most such clients have left, and a longer report keeps a
/// place and a connection from others.
const HALF_CLOSED_TIMEOUT: Duration = Duration::from_secs(1);

service::config! {
    /// The configuration from the environment. Each field is a variable. There is no `Debug`, because the URL has a password.
    pub struct Config {
        /// The read models: `postgres://user:password@host:port/database`; needed.
        ///
        /// The role `tidemark_query` has the rights that query needs.
        pub database_url: Address,
        /// A standby of that database; reports are read from it. Default: none.
        ///
        /// `GET /live` still reads from `DATABASE_URL`, because a standby does not notify of commits.
        pub read_database_url: Option<Address>,
        /// Address of HTTP. Default: 127.0.0.1:3001.
        pub query_listen: SocketAddr = (Ipv4Addr::LOCALHOST, 3001).into(),
        /// Address of metrics, and of probes besides, for operators. Default: none: at `QUERY_LISTEN`.
        pub query_ops_listen: Option<SocketAddr>,
        /// Connections to Postgres, which is the number of reports read at once. Default: 8.
        ///
        /// Further ones wait. A report takes a few milliseconds, so that is a few thousand reports a second; Postgres takes
        /// 100 connections by default.
        pub query_connections_max: NonZeroU32 = const { NonZeroU32::new(8).expect("8 is not 0") },
        /// Reports in progress at once; further ones are answered with 503. Default: 512.
        ///
        /// They are read, wait for a connection, or for an event. The 256 that may wait for an event, and as many others: with
        /// 8 connections and a few milliseconds each, the last of these is read after a tenth of a second.
        pub query_reports_max: NonZeroU16 = const { NonZeroU16::new(512).expect("512 is not 0") },
        /// Milliseconds for one report; then the answer is 503. Default: 5000.
        ///
        /// The wait for a connection is included.
        pub query_timeout_ms: NonZeroU32 = const { NonZeroU32::new(5_000).expect("5,000 is not 0") },
        /// Milliseconds of `QUERY_TIMEOUT_MS` that a report waits for its event. Default: 2000, or half of that.
        ///
        /// After it the answer to `after=<receipt>` is 503. Less than `QUERY_TIMEOUT_MS`, because reading the report takes time,
        /// too.
        pub query_after_timeout_ms: Option<NonZeroU32>,
        /// Clients of GET /live at once. Default: 4096.
        ///
        /// Further ones are answered with 503. These are a quarter of the connections, so that reports always find one. Each
        /// takes about 15 KB of memory, together 62 MB.
        pub query_live_clients_max: NonZeroU32 = const { NonZeroU32::new(4_096).expect("4,096 is not 0") },
        /// Percent of these limits that one key or address may have at once. Default: 25.
        ///
        /// The limits are those of clients of `GET /live`, of reports in progress, of those that wait for an event, and of
        /// connections to Postgres. Three clients that take their whole share leave a quarter to the others. 100 is right if all
        /// requests come from one address that is no trusted proxy.
        pub query_client_share_percent: NonZeroU8 = const { NonZeroU8::new(25).expect("25 is not 0") },
        /// Milliseconds without totals after which a client of GET /live is sent a comment. Default: 15000.
        ///
        /// Proxies close connections that are silent for a minute or half of one.
        pub query_live_heartbeat_ms: NonZeroU32 = const { NonZeroU32::new(15_000).expect("15,000 is not 0") },
        /// The file of keys; requests without one of them are refused. Default: none: no key is needed.
        ///
        /// `query keys` writes it.
        pub query_keys_file: Option<PathBuf>,
        /// Origins whose pages may read reports, separated by commas. Default: none; with keys, every page that has one.
        ///
        /// They are written as `https://shop.example`, and read with credentials, too.
        pub query_origins: Origins,
        /// Names in Host that are accepted beside localhost, separated by commas. Default: none; checked on loopback only.
        ///
        /// Such as the name of a proxy on the same machine that passes `Host` on. On the loopback interface, or with such names,
        /// requests by any other name are refused.
        pub query_hosts: Hosts,
        /// Maximum requests of one address a second, 50, or 50:200 with a burst. Default: no limit.
        pub rate_per_address: Option<Rate>,
        /// Maximum requests with one key a second. Default: no limit.
        pub rate_per_key: Option<Rate>,
        /// Addresses or networks of proxies whose X-Forwarded-For is trusted, separated by commas. Default: none.
        pub trusted_proxies: Proxies,
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

/// The default of `QUERY_AFTER_TIMEOUT_MS`: a projector that keeps up is behind the log by far less.
const AFTER_TIMEOUT_MS_DEFAULT: u32 = 2_000;

impl Config {
    /// Checks the rules that types cannot express.
    ///
    /// # Errors
    ///
    /// A value is invalid; the message names the variable.
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

    /// The settings of access: keys, and rates of requests.
    pub(crate) fn access(&self) -> Settings {
        Settings {
            keys_file: self.query_keys_file.clone(),
            keys_variable: KEYS_FILE,
            per_address: Rates { requests: self.rate_per_address, ..Rates::default() },
            per_key: Rates { requests: self.rate_per_key, ..Rates::default() },
            trusted_proxies: self.trusted_proxies.clone(),
            takes_basic: true,
            answers: self.answers(),
        }
    }

    /// The certificate and the key of HTTPS, if HTTPS is configured.
    ///
    /// # Errors
    ///
    /// Only one of the two files is named.
    pub(crate) fn identity(&self) -> anyhow::Result<Option<Identity>> {
        Identity::of(self.tls_cert_file.as_ref(), self.tls_key_file.as_ref())
    }

    /// The limits and the TLS of client connections.
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

    /// The share of one client, at least 1.
    pub(crate) fn client_share(&self, all: usize) -> usize {
        all.saturating_mul(self.query_client_share_percent.get().into()).div_ceil(100)
    }

    /// Places that clients share.
    pub(crate) fn places(&self, places_max: usize) -> Places {
        Places::new(places_max, self.client_share(places_max))
    }

    pub(crate) fn live_heartbeat(&self) -> Duration {
        Duration::from_millis(self.query_live_heartbeat_ms.get().into())
    }

    /// The options of the connection of `GET /live`.
    pub(crate) fn live_options(&self) -> anyhow::Result<PgConnectOptions> {
        options("DATABASE_URL", &self.database_url)
    }

    /// The options of connections for reports.
    pub(crate) fn report_options(&self) -> anyhow::Result<PgConnectOptions> {
        match &self.read_database_url {
            Some(url) => options("READ_DATABASE_URL", url),
            None => self.live_options(),
        }
    }

    /// The settings of each connection.
    pub(crate) fn session(&self) -> Session {
        Session::of(&[
            // A statement that query no longer waits for ends in Postgres, too.
            ("statement_timeout", &self.query_timeout_ms.to_string()),
            ("default_transaction_read_only", "on"),
        ])
    }

    /// The databases, with the variables that name them.
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
    use super::*;

    pub(super) fn config(query_timeout_ms: u32, query_after_timeout_ms: Option<u32>) -> Config {
        Config {
            database_url: "postgres://user@host/database".into(),
            query_timeout_ms: NonZeroU32::new(query_timeout_ms).expect("not 0"),
            query_after_timeout_ms: query_after_timeout_ms.and_then(NonZeroU32::new),
            ..Config::default()
        }
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
