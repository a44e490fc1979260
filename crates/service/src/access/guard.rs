//! Guard before all routes of a service: counts the request, finds the key, and passes its permissions on.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::watch;

use super::answers::bounded;
use super::credentials::{self, Credentials};
use super::grant::Grant;
use super::keys::{Binding, Key, Keys, SentKey, Sites};
use super::meter::Meter;
use super::rejection::Rejection;
use crate::http::client_ip::{Client, Proxies, network, peer};
use crate::http::places::Places;
use crate::http::rate_limit::{Quantity, RateExceeded};
use crate::http::{METRICS_PATH, PROBE_PATHS, drain, openapi};

/// Maximum bytes that are drained of the body of a rejected request: the size of the largest valid one.
const DRAINED_BYTES_MAX: usize = 8 << 20;

/// State of the guard.
pub(super) struct Guard {
    pub(super) keys: Option<watch::Receiver<Arc<Keys>>>,
    pub(super) per_address: Meter<IpAddr>,
    pub(super) per_key: Meter<String>,
    pub(super) proxies: Proxies,
    /// Bytes of answers in progress.
    pub(super) answers: Places,
    pub(super) takes_basic: bool,
    /// Whether any rate is configured.
    pub(super) has_rates: bool,
}

/// Passes a request on with its [`Grant`], or rejects it.
pub(super) async fn admit(State(guard): State<Arc<Guard>>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let path = path.unwrap_or_default();
    // Always open: they reveal nothing about sites, and load balancers have no keys.
    if PROBE_PATHS.contains(&path.as_str()) || path.strip_prefix(openapi::FOLDER).is_some_and(is_below) {
        let client = Client::of_address(guard.proxies.client(peer(request.extensions()), request.headers()));
        return bounded(&guard.answers, &client, next.run(request).await).await;
    }
    // Metrics are numbers of all sites together.
    match guard.check(&mut request, path == METRICS_PATH) {
        Ok(grant) => {
            let client = grant.client().clone();
            request.extensions_mut().insert(grant);
            let mut response = bounded(&guard.answers, &client, next.run(request).await).await;
            if guard.keys.is_some() {
                keep_private(response.headers_mut());
            }
            response
        }
        Err(rejection) => {
            // A client that sent `Expect: 100-continue` has not sent its body.
            if !request.headers().contains_key(header::EXPECT) {
                drain(&mut request.into_body(), DRAINED_BYTES_MAX).await;
            }
            rejection.answer(guard.takes_basic)
        }
    }
}

fn is_below(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

impl Guard {
    fn check(&self, request: &mut Request, is_for_all_sites: bool) -> Result<Grant, Rejection> {
        let now = Instant::now();
        // Before the key is checked, so that guessing keys is slowed down, too.
        let address = self.proxies.client(peer(request.extensions()), request.headers());
        let exceeded = |of| move |excess| Rejection::Rate(RateExceeded { of, quantity: Quantity::Requests, excess });
        self.per_address.requests(network(address), now).map_err(exceeded("address"))?;
        let Some(keys) = &self.keys else { return Ok(Grant::everything_for(Client::of_address(address))) };
        let key = Self::key(keys, request)?;
        self.per_key.requests(key.id.clone(), now).map_err(exceeded("key"))?;
        let origin = request.headers().get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
        if key.binding(origin.unwrap_or_default()) == Binding::Other {
            return Err(Rejection::Origin);
        }
        if is_for_all_sites && key.sites != Sites::All {
            return Err(Rejection::NotForAllSites);
        }
        Ok(Grant::of(key, keys.clone()))
    }

    /// Removes the key from a request, and finds it.
    fn key(keys: &watch::Receiver<Arc<Keys>>, request: &mut Request) -> Result<Arc<Key>, Rejection> {
        let mut uri = std::mem::take(request.uri_mut());
        let credentials = credentials::take(request.headers_mut(), &mut uri);
        *request.uri_mut() = uri;
        let text = match credentials {
            Credentials::None => return Err(Rejection::NoKey),
            Credentials::Unreadable => return Err(Rejection::InvalidKey),
            Credentials::Text(text) => text,
        };
        let sent = SentKey::parse(&text).ok_or(Rejection::InvalidKey)?;
        let key = keys.borrow().find(&sent).cloned().ok_or(Rejection::InvalidKey)?;
        // Only a client with its secret learns that a key was revoked.
        if key.revoked.is_some() { Err(Rejection::RevokedKey) } else { Ok(key) }
    }
}

/// Keeps shared caches from serving the answer to requests with other keys.
fn keep_private(headers: &mut HeaderMap) {
    let directives = headers.get(header::CACHE_CONTROL).and_then(|value| value.to_str().ok()).unwrap_or("no-store");
    if !directives.contains("no-store") {
        let directives = format!("private, {}", directives.strip_prefix("public, ").unwrap_or(directives));
        headers.insert(header::CACHE_CONTROL, HeaderValue::try_from(directives).expect("it was one before"));
    } else if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    headers.append(header::VARY, HeaderValue::from_static("authorization"));
}
