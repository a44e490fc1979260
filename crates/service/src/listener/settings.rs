//! Settings of the connections of a service.

use std::num::NonZeroU32;
use std::time::Duration;

use super::streams::{FURTHER_STREAMS_MAX, STREAM_BYTES};
use super::tls::{TLS_BYTES, Tls};
use crate::http::client_ip::Proxies;

/// Default maximum of connections. One with a request takes [`CONNECTION_BYTES`].
pub const CONNECTIONS_MAX: u32 = 16_384;

/// Memory of a connection in this process: 16 KiB that are being read, 16 KiB that were read, and 16 KiB for its task and
/// its answer.
pub const CONNECTION_BYTES: u64 = 48 << 10;

/// Average memory of a connection in the kernel: bytes that are not read yet, and bytes that are not acknowledged.
pub const SOCKET_BYTES: u64 = 16 << 10;

/// Maximum memory of so many connections, without what TLS and HTTP/2 add.
pub fn memory_bytes_max(connections_max: NonZeroU32) -> u64 {
    u64::from(connections_max.get()) * (CONNECTION_BYTES + SOCKET_BYTES)
}

/// Maximum memory that TLS and HTTP/2 add to so many connections: 32 KiB for each, and 32 KiB for each of 4,096 requests beside
/// others of the same connection.
pub fn tls_memory_bytes_max(connections_max: NonZeroU32) -> u64 {
    u64::from(connections_max.get()) * TLS_BYTES + FURTHER_STREAMS_MAX as u64 * STREAM_BYTES
}

/// Default seconds until an idle connection is closed. Load balancers keep theirs for 60 s (ALB, nginx), 350 s (NLB) or
/// 600 s (GCP), and a connection that is closed on this side first sometimes loses a request.
pub const IDLE_TIMEOUT_S: u32 = 650;

/// Settings of the connections of a listener.
#[derive(Clone)]
pub struct Connections {
    /// Certificate of HTTPS. Default: none, and HTTP is plain.
    pub tls: Option<Tls>,
    /// Proxies, whose connections are not counted by address.
    pub proxies: Proxies,
    /// Maximum connections.
    pub connections_max: NonZeroU32,
    /// Maximum connections of one address; `None` is three quarters of all, so that one client leaves a quarter to others.
    pub per_address_max: Option<NonZeroU32>,
    /// Time until a connection without a request is closed.
    pub idle_timeout: Duration,
    /// Maximum time of an answer to a client that has closed its sending side, and may have hung up. `None` is no limit, for
    /// requests that must be completed even for a client that has hung up.
    pub half_closed_timeout: Option<Duration>,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            tls: None,
            proxies: Proxies::default(),
            connections_max: default_connections_max(),
            per_address_max: None,
            idle_timeout: Duration::from_secs(IDLE_TIMEOUT_S.into()),
            half_closed_timeout: None,
        }
    }
}

/// Default of `HTTP_CONNECTIONS_MAX`.
pub fn default_connections_max() -> NonZeroU32 {
    const { NonZeroU32::new(CONNECTIONS_MAX).expect("it is not 0") }
}

/// Default of `HTTP_IDLE_TIMEOUT_S`.
pub fn default_idle_timeout_s() -> NonZeroU32 {
    const { NonZeroU32::new(IDLE_TIMEOUT_S).expect("it is not 0") }
}

impl Connections {
    /// Maximum connections of one address.
    pub(super) fn per_address_max(&self) -> NonZeroU32 {
        let most = || NonZeroU32::new(self.connections_max.get() / 4 * 3).unwrap_or(NonZeroU32::MIN);
        self.per_address_max.unwrap_or_else(most)
    }
}
