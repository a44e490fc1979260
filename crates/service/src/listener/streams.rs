//! Concurrent requests of HTTP/2 beyond the first of each connection, whose memory is the connection's own.

use axum::http::HeaderMap;

use crate::http::ApiError;
use crate::http::client_ip::{Client, Peer, Proxies};
use crate::http::places::{Place, Places};

/// Maximum further requests at once, of all connections.
pub(super) const FURTHER_STREAMS_MAX: usize = 4_096;

/// Maximum further requests of one client.
const PER_CLIENT_MAX: usize = FURTHER_STREAMS_MAX / 2;

/// Memory of one: 8 KiB of headers; 100 fields of 72 bytes in a list that may be twice as long; the rest of 32 KiB for its task
/// and a small answer.
pub(super) const STREAM_BYTES: u64 = 32 << 10;

/// Maximum header fields of a request. HTTP/1.1 has the same limit.
pub(super) const FIELDS_MAX: usize = 100;

/// Places of further requests.
#[derive(Debug, Clone)]
pub(super) struct Streams {
    places: Places,
    proxies: Proxies,
}

impl Streams {
    pub(super) fn new(proxies: Proxies) -> Self {
        Self::with_limits(proxies, FURTHER_STREAMS_MAX, PER_CLIENT_MAX)
    }

    pub(super) fn with_limits(proxies: Proxies, all_max: usize, per_client_max: usize) -> Self {
        Self { places: Places::new(all_max, per_client_max), proxies }
    }

    /// Takes a place for a further request.
    ///
    /// # Errors
    ///
    /// 503: all places are taken, or those of its client.
    pub(super) fn take(&self, Peer(peer): Peer, headers: &HeaderMap) -> Result<Place, ApiError> {
        let client = Client::of_address(self.proxies.client(peer, headers));
        self.places.take(&client).map_err(|_| {
            let error = "too many requests share connections at once; send this one again";
            ApiError::unavailable("too_many_streams", error)
        })
    }
}
