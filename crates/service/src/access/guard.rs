//! What stands before the routes of a service: it counts the client, finds the key, and says what it is good for.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Extensions, HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::watch;

use super::client::{self, Client, Proxies};
use super::credentials::{self, Credentials};
use super::denied::Denied;
use super::grant::Grant;
use super::key::SentKey;
use super::keys::{Binding, Key, Keys, Sites};
use super::meter::{Counted, Meter};
use crate::discard::discard;
use crate::documentation;
use crate::health::{METRICS_PATH, READINESS_PATHS};
use crate::server::Peer;

/// Of the body of a request that is refused so much is read, and thrown away: as much as the largest that is good.
const DISCARDED_BYTES_MAX: usize = 8 << 20;

/// What the guard knows.
pub(super) struct Guard {
    pub(super) keys: Option<watch::Receiver<Arc<Keys>>>,
    pub(super) per_address: Meter<IpAddr>,
    pub(super) per_key: Meter<String>,
    pub(super) proxies: Proxies,
    pub(super) takes_basic: bool,
    /// Whether anything is counted.
    pub(super) has_rates: bool,
}

/// Lets a request through, with what it may, or answers it.
pub(super) async fn admit(State(guard): State<Arc<Guard>>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let path = path.unwrap_or_default();
    // Open whatever keys there are: they say nothing of sites, and those who ask have no keys.
    if READINESS_PATHS.contains(&path.as_str()) || path.strip_prefix(documentation::FOLDER).is_some_and(is_below) {
        return next.run(request).await;
    }
    // Metrics are numbers of all sites together.
    match guard.check(&mut request, path == METRICS_PATH) {
        Ok(grant) => {
            request.extensions_mut().insert(grant);
            let mut response = next.run(request).await;
            if guard.keys.is_some() {
                keep_private(response.headers_mut());
            }
            response
        }
        Err(denied) => {
            // Who waits for a word before sending a body is not asked for it.
            if !request.headers().contains_key(header::EXPECT) {
                discard(&mut request.into_body(), DISCARDED_BYTES_MAX).await;
            }
            denied.answer(guard.takes_basic)
        }
    }
}

fn is_below(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

impl Guard {
    fn check(&self, request: &mut Request, is_for_all_sites: bool) -> Result<Grant, Denied> {
        let now = Instant::now();
        // Before the key: whoever tries keys is slowed down, too.
        let address = self.proxies.client(peer(request.extensions()), request.headers());
        let one = (Counted::Requests, 1);
        let denied = |of| move |excess| Denied::TooMuch { of, counted: Counted::Requests, excess };
        self.per_address.take(client::network(address), one, now).map_err(denied("address"))?;
        let Some(keys) = &self.keys else { return Ok(Grant::everything_for(Client::of_address(address))) };
        let key = Self::key(keys, request)?;
        self.per_key.take(key.id.clone(), one, now).map_err(denied("key"))?;
        let origin = request.headers().get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
        if key.binding(origin.unwrap_or_default()) == Binding::Other {
            return Err(Denied::Origin);
        }
        if is_for_all_sites && key.sites != Sites::All {
            return Err(Denied::NotForAllSites);
        }
        Ok(Grant::of(key, keys.clone()))
    }

    /// The key that a request was sent with; it is taken out of the request.
    fn key(keys: &watch::Receiver<Arc<Keys>>, request: &mut Request) -> Result<Arc<Key>, Denied> {
        let mut uri = std::mem::take(request.uri_mut());
        let credentials = credentials::take(request.headers_mut(), &mut uri);
        *request.uri_mut() = uri;
        let text = match credentials {
            Credentials::None => return Err(Denied::NoKey),
            Credentials::Unreadable => return Err(Denied::InvalidKey),
            Credentials::Text(text) => text,
        };
        let sent = SentKey::parse(&text).ok_or(Denied::InvalidKey)?;
        let key = keys.borrow().find(&sent).cloned().ok_or(Denied::InvalidKey)?;
        // Only those who have its secret are told so.
        if key.revoked.is_some() { Err(Denied::RevokedKey) } else { Ok(key) }
    }
}

/// The server always says where a request comes from; those of which it is not known share one allowance.
pub(super) fn peer(extensions: &Extensions) -> SocketAddr {
    let unknown = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    extensions.get::<Peer>().map_or(unknown, |Peer(address)| *address)
}

/// What was answered to one key is not for those who come with another one, or with none.
fn keep_private(headers: &mut HeaderMap) {
    let said = headers.get(header::CACHE_CONTROL).and_then(|value| value.to_str().ok()).unwrap_or("no-store");
    if !said.contains("no-store") {
        let said = format!("private, {}", said.strip_prefix("public, ").unwrap_or(said));
        headers.insert(header::CACHE_CONTROL, HeaderValue::try_from(said).expect("it was one before"));
    } else if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    headers.append(header::VARY, HeaderValue::from_static("authorization"));
}
