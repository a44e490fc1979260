//! Probes take no key and are in no configured rate: so they have a bound of their own, because each may be a question to the
//! database.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;

use super::client::network;
use super::denied::Denied;
use super::guard::peer;
use super::meter::Counted;
use super::rate::{Allowances, CLIENTS_MAX, Rate};

/// Of one address, as of one proxy that passes on those of others. Load balancers ask once a second or so.
const PROBES: Rate = Rate::of(1_000, 1_000);

/// Bounds how often an address may ask these routes.
pub(crate) fn bounded(router: Router) -> Router {
    let allowances = Arc::new(Allowances::new(PROBES, CLIENTS_MAX, Instant::now()));
    router.layer(from_fn_with_state(allowances, bound))
}

async fn bound(State(allowances): State<Arc<Allowances<IpAddr>>>, request: Request, next: Next) -> Response {
    let client = network(peer(request.extensions()).ip().to_canonical());
    match allowances.take(client, 1, Instant::now()) {
        Ok(()) => next.run(request).await,
        Err(excess) => Denied::TooMuch { of: "address", counted: Counted::Requests, excess }.answer(false),
    }
}
