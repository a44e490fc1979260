//! The environment variables, with their defaults.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::{NonZeroU8, NonZeroU16, NonZeroU32};

use service::config::Variable;
use service::listener::tls;
use service::{access, listener};

/// The variables of the configuration, for `--help`.
pub const VARIABLES: [Variable; 22] = [
    Variable { name: "DATABASE_URL", meaning: "The read models: postgres://user:password@host:port/database; needed" },
    Variable { name: "READ_DATABASE_URL", meaning: "A standby of that database; reports are read from it [none]" },
    Variable { name: "QUERY_LISTEN", meaning: "Address of HTTP [127.0.0.1:3001]" },
    Variable {
        name: "QUERY_OPS_LISTEN",
        meaning: "Address of metrics, and of probes besides, for operators [none: at QUERY_LISTEN]",
    },
    Variable {
        name: "QUERY_CONNECTIONS_MAX",
        meaning: "Connections to Postgres, which is the number of reports read at once [8]",
    },
    Variable {
        name: "QUERY_REPORTS_MAX",
        meaning: "Reports in progress at once; further ones are answered with 503 [512]",
    },
    Variable { name: "QUERY_TIMEOUT_MS", meaning: "Milliseconds for one report; then the answer is 503 [5000]" },
    Variable {
        name: "QUERY_AFTER_TIMEOUT_MS",
        meaning: "Milliseconds of QUERY_TIMEOUT_MS that a report waits for its event [2000, or half of that]",
    },
    Variable { name: "QUERY_LIVE_CLIENTS_MAX", meaning: "Clients of GET /live at once [4096]" },
    Variable {
        name: "QUERY_CLIENT_SHARE_PERCENT",
        meaning: "Percent of these limits that one key or address may have at once [25]",
    },
    Variable {
        name: "QUERY_LIVE_HEARTBEAT_MS",
        meaning: "Milliseconds without totals after which a client of GET /live is sent a comment [15000]",
    },
    Variable {
        name: "QUERY_KEYS_FILE",
        meaning: "The file of keys; requests without one of them are refused [none: no key is needed]",
    },
    Variable {
        name: "QUERY_ORIGINS",
        meaning: "Origins whose pages may read reports, separated by commas [none; with keys, every page that has one]",
    },
    Variable {
        name: "QUERY_HOSTS",
        meaning: "Names in Host that are accepted beside localhost, separated by commas [none; checked on loopback only]",
    },
    access::VARIABLES[0],
    access::VARIABLES[1],
    access::VARIABLES[2],
    listener::VARIABLES[0],
    listener::VARIABLES[1],
    listener::VARIABLES[2],
    tls::VARIABLES[0],
    tls::VARIABLES[1],
];

pub(super) fn query_listen() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 3001).into()
}

pub(super) fn query_connections_max() -> NonZeroU32 {
    const { NonZeroU32::new(8).expect("8 is not 0") }
}

pub(super) fn query_reports_max() -> NonZeroU16 {
    const { NonZeroU16::new(512).expect("512 is not 0") }
}

pub(super) fn query_timeout_ms() -> NonZeroU32 {
    const { NonZeroU32::new(5_000).expect("5,000 is not 0") }
}

pub(super) fn query_live_clients_max() -> NonZeroU32 {
    const { NonZeroU32::new(4_096).expect("4,096 is not 0") }
}

pub(super) fn query_client_share_percent() -> NonZeroU8 {
    const { NonZeroU8::new(25).expect("25 is not 0") }
}

pub(super) fn query_live_heartbeat_ms() -> NonZeroU32 {
    const { NonZeroU32::new(15_000).expect("15,000 is not 0") }
}
