//! What a client has asked and sent, against its allowances.

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::client;
use super::denied::Denied;
use super::grant::Grant;
use super::guard::{Guard, peer};
use super::rate::{Allowances, CLIENTS_MAX, Excess, Rate};
use crate::Refusal;

/// Rates of an address, or of a key. `None` is as much as comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// Requests.
    pub requests: Option<Rate>,
    /// Events in them.
    pub events: Option<Rate>,
    /// Bytes of them, unpacked.
    pub bytes: Option<Rate>,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    Requests,
    Events,
    Bytes,
}

/// Allowances of clients of one sort.
#[derive(Debug)]
pub(super) struct Meter<K> {
    requests: Option<Allowances<K>>,
    events: Option<Allowances<K>>,
    bytes: Option<Allowances<K>>,
}

/// Who sends a request, and what it may send. Handlers that take much at once ask it.
#[derive(Clone)]
pub struct Metered {
    network: IpAddr,
    key: Option<String>,
    guard: Option<Arc<Guard>>,
}

impl Rates {
    /// Whether nothing is counted.
    pub(super) fn is_empty(self) -> bool {
        self == Self::default()
    }
}

impl<K: Eq + Hash> Meter<K> {
    pub(super) fn new(rates: Rates, now: Instant) -> Self {
        let allowances = |rate: Rate| Allowances::new(rate, CLIENTS_MAX, now);
        let Rates { requests, events, bytes } = rates;
        Self { requests: requests.map(allowances), events: events.map(allowances), bytes: bytes.map(allowances) }
    }

    pub(super) fn take(&self, client: K, (counted, amount): (Counted, u32), now: Instant) -> Result<(), Excess> {
        let allowances = match counted {
            Counted::Requests => &self.requests,
            Counted::Events => &self.events,
            Counted::Bytes => &self.bytes,
        };
        allowances.as_ref().map_or(Ok(()), |allowances| allowances.take(client, amount, now))
    }
}

impl Metered {
    /// Its address, or the network that counts as one.
    pub fn network(&self) -> IpAddr {
        self.network
    }

    /// The id of its key, if it has one.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Counts events that it sends.
    ///
    /// # Errors
    ///
    /// 429 with the time to wait, or 413 where so many at once are never taken.
    pub fn send_events(&self, events: usize) -> Result<(), Refusal> {
        self.send(Counted::Events, events)
    }

    /// Counts bytes that it sends.
    ///
    /// # Errors
    ///
    /// As of events.
    pub fn send_bytes(&self, bytes: usize) -> Result<(), Refusal> {
        self.send(Counted::Bytes, bytes)
    }

    fn send(&self, counted: Counted, amount: usize) -> Result<(), Refusal> {
        let Some(guard) = &self.guard else { return Ok(()) };
        let (amount, now) = (u32::try_from(amount).unwrap_or(u32::MAX), Instant::now());
        let denied = |of| move |excess| Denied::TooMuch { of, counted, excess }.refusal();
        guard.per_address.take(self.network, (counted, amount), now).map_err(denied("address"))?;
        let Some(key) = &self.key else { return Ok(()) };
        guard.per_key.take(key.clone(), (counted, amount), now).map_err(denied("key"))
    }
}

/// Without the guard nothing is counted but by address of the connection.
impl<S: Send + Sync> FromRequestParts<S> for Metered {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let (guard, peer) = (parts.extensions.get::<Arc<Guard>>().cloned(), peer(&parts.extensions));
        let address =
            guard.as_ref().map_or(peer.ip().to_canonical(), |guard| guard.proxies.client(peer, &parts.headers));
        let key = parts.extensions.get::<Grant>().and_then(Grant::key_id);
        Ok(Self { network: client::network(address), key, guard })
    }
}
