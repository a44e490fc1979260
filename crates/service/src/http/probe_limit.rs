//! Rate limit of probes. They need no key and count against no configured rate, but each may be a question to the database.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};

use super::client_ip::{network, peer};
use super::rate_limit::{CLIENTS_MAX, Quantity, Rate, RateExceeded, RateLimiter};

/// Maximum rate of probes of one address, which may be a proxy that passes on many. Load balancers ask about once a second.
const PROBES: Rate = Rate::of(1_000, 1_000);

/// Bounds how often an address may ask these routes.
pub(super) fn bounded(router: Router) -> Router {
    let limiter = Arc::new(RateLimiter::new(PROBES, CLIENTS_MAX, Instant::now()));
    router.layer(from_fn_with_state(limiter, bound))
}

async fn bound(State(limiter): State<Arc<RateLimiter<IpAddr>>>, request: Request, next: Next) -> Response {
    let client = network(peer(request.extensions()).ip().to_canonical());
    match limiter.take(client, 1, Instant::now()) {
        Ok(()) => next.run(request).await,
        Err(excess) => {
            let exceeded = RateExceeded { of: "address", quantity: Quantity::Requests, excess };
            let mut response = exceeded.error().into_response();
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
    }
}
