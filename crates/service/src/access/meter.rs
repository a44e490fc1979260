//! Counts what a client asks and sends against its rates.

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::answers::AnswerMemory;
use super::grant::Grant;
use super::guard::Guard;
use crate::http::ApiError;
use crate::http::client_ip::{Client, network, peer};
use crate::http::rate_limit::{CLIENTS_MAX, Excess, Quantity, Rate, RateExceeded, RateLimiter};

/// Rates of each address, or of each key. `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// Requests.
    pub requests: Option<Rate>,
    /// Events in requests.
    pub events: Option<Rate>,
    /// Bytes of bodies, unpacked.
    pub bytes: Option<Rate>,
}

/// Rate limiters of addresses, or of keys.
#[derive(Debug)]
pub(super) struct Meter<K> {
    requests: Option<RateLimiter<K>>,
    events: Option<RateLimiter<K>>,
    bytes: Option<RateLimiter<K>>,
}

/// Client of a request, against whose rates a handler counts events and bytes.
#[derive(Clone)]
pub struct Metered {
    network: IpAddr,
    key: Option<String>,
    guard: Option<Arc<Guard>>,
}

impl Rates {
    /// Whether nothing is limited.
    pub(super) fn is_empty(self) -> bool {
        self == Self::default()
    }
}

impl<K: Eq + Hash> Meter<K> {
    pub(super) fn new(rates: Rates, now: Instant) -> Self {
        let limiter = |rate: Rate| RateLimiter::new(rate, CLIENTS_MAX, now);
        let Rates { requests, events, bytes } = rates;
        Self { requests: requests.map(limiter), events: events.map(limiter), bytes: bytes.map(limiter) }
    }

    /// Counts one request.
    pub(super) fn requests(&self, client: K, now: Instant) -> Result<(), Excess> {
        self.take(client, Quantity::Requests, 1, now)
    }

    fn take(&self, client: K, quantity: Quantity, amount: u32, now: Instant) -> Result<(), Excess> {
        let limiter = match quantity {
            Quantity::Requests => &self.requests,
            Quantity::Events => &self.events,
            Quantity::Bytes => &self.bytes,
        };
        limiter.as_ref().map_or(Ok(()), |limiter| limiter.take(client, amount, now))
    }
}

impl Metered {
    /// Address of the client, or the network that counts as one.
    pub fn network(&self) -> IpAddr {
        self.network
    }

    /// Id of the client's key, if it has one.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Counts events that the client sends.
    ///
    /// # Errors
    ///
    /// 429 with the time to wait, or 413 if so many at once are never accepted.
    pub fn send_events(&self, events: usize) -> Result<(), ApiError> {
        self.send(Quantity::Events, events)
    }

    /// Counts bytes that the client sends.
    ///
    /// # Errors
    ///
    /// 429 with the time to wait, or 413 if so many at once are never accepted.
    pub fn send_bytes(&self, bytes: usize) -> Result<(), ApiError> {
        self.send(Quantity::Bytes, bytes)
    }

    /// Reserves memory for an answer that must not be replaced by an error, because its request was carried out. Belongs into
    /// the extensions of the response.
    ///
    /// # Errors
    ///
    /// 503: answers that are not sent yet have all memory, or the client's share of it.
    pub fn reserve_answer(&self, bytes: usize) -> Result<Option<AnswerMemory>, ApiError> {
        let client = self.key.as_deref().map_or_else(|| Client::of_address(self.network), Client::of_key);
        let guard = self.guard.as_ref();
        guard.map(|guard| AnswerMemory::reserve(&guard.answers, &client, bytes)).transpose()
    }

    fn send(&self, quantity: Quantity, amount: usize) -> Result<(), ApiError> {
        let Some(guard) = &self.guard else { return Ok(()) };
        let (amount, now) = (u32::try_from(amount).unwrap_or(u32::MAX), Instant::now());
        let exceeded = |of| move |excess| RateExceeded { of, quantity, excess }.error();
        guard.per_address.take(self.network, quantity, amount, now).map_err(exceeded("address"))?;
        let Some(key) = &self.key else { return Ok(()) };
        guard.per_key.take(key.clone(), quantity, amount, now).map_err(exceeded("key"))
    }
}

/// Without the guard before the handler nothing is counted.
impl<S: Send + Sync> FromRequestParts<S> for Metered {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let (guard, peer) = (parts.extensions.get::<Arc<Guard>>().cloned(), peer(&parts.extensions));
        let address =
            guard.as_ref().map_or(peer.ip().to_canonical(), |guard| guard.proxies.client(peer, &parts.headers));
        let key = parts.extensions.get::<Grant>().and_then(Grant::key_id);
        Ok(Self { network: network(address), key, guard })
    }
}
