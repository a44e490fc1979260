//! Rate limit of probes. They need no key and count against no configured rate, but each may be a question to the database.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};

use super::client_ip::{Client, Proxies, peer};
use super::rate_limit::{CLIENTS_MAX, Quantity, Rate, RateExceeded, RateLimiter};

/// Maximum rate of probes of one client. Load balancers ask about once a second.
const PROBES: Rate = Rate::of(1_000, 1_000);

struct ProbeLimit {
    limiter: RateLimiter<Client>,
    proxies: Proxies,
}

/// Bounds how often a client may ask these routes. A trusted proxy's own probes count as its own, apart from those that it
/// passes on.
pub(super) fn bounded(router: Router, proxies: Proxies) -> Router {
    let limiter = RateLimiter::new(PROBES, CLIENTS_MAX, Instant::now());
    router.layer(from_fn_with_state(Arc::new(ProbeLimit { limiter, proxies }), bound))
}

async fn bound(State(limit): State<Arc<ProbeLimit>>, request: Request, next: Next) -> Response {
    let client = Client::of_address(limit.proxies.client(peer(request.extensions()), request.headers()));
    match limit.limiter.take(client, 1, Instant::now()) {
        Ok(()) => next.run(request).await,
        Err(excess) => {
            let exceeded = RateExceeded { of: "address", quantity: Quantity::Requests, excess };
            let mut response = exceeded.error().into_response();
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
    }
}
