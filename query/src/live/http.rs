//! The route, and what a client is sent.

use std::convert::Infallible;

use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::get;
use axum::{Extension, Router};
use futures_util::StreamExt;
use futures_util::stream::{self, Stream};
use service::ApiError;
use service::access::Grant;
use service::http::ErrorBody;
use service::listener::EndsWithClient;
use tokio_util::sync::CancellationToken;

use super::subscriptions::Subscription;
use super::topic::Topic;
use super::totals::LiveTotals;
use super::{Live, LiveError};
use crate::metrics;
use crate::params::descriptions::{EventTypeParam, SiteParam};

/// The header with the id of the last event that a client has got.
const LAST_EVENT_ID: &str = "last-event-id";

/// Tells nginx to pass events on without buffering.
const UNBUFFERED: (&str, &str) = ("x-accel-buffering", "no");

/// The route.
pub(crate) fn router(live: Live) -> Router {
    Router::new().route("/live", get(self::live)).with_state(live)
}

/// Totals of today, now and when they change.
///
/// The answer is a stream of Server-Sent Events, as `EventSource` reads them. The day is the UTC day, and changes at midnight on
/// the same connection. A client that connects again with the id of the last event is sent the totals only if they have
/// changed. A slow client misses the totals in between. After 15 seconds without totals the stream sends a comment.
#[utoipa::path(
    get,
    path = "/live",
    tag = "reports",
    params(
        SiteParam,
        EventTypeParam,
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that the client got."),
    ),
    responses(
        (status = 200, description = "A stream of events named `totals`. The data of an event is JSON of this schema.",
            body = LiveTotals, content_type = "text/event-stream",
            example = "event: totals\nid: 3/2025-11-12/1450/212/page_view/site-abc-123\n\
                data: {\"site_id\":\"site-abc-123\",\"date\":\"2025-11-12\",\"total_views\":1450,\"unique_users\":212,\"generation\":3}\n\n"),
        (status = 400, description = "A parameter is missing, unknown or invalid.", body = ErrorBody),
        (status = 503, description = "The report cannot be read now. Ask again after Retry-After.",
            headers(("Retry-After" = u32, description = "Seconds to wait")), body = ErrorBody,
            example = json!({"error": "too many clients watch totals; ask again later", "code": "too_many_clients"}))
    )
)]
pub(crate) async fn live(
    State(live): State<Live>,
    grant: Grant,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<impl IntoResponse, ApiError> {
    let topic = Topic::parse(query.as_deref())?;
    let site_id = topic.site_id.as_str().to_owned();
    grant.check(&site_id)?;
    let subscription = live.subscribe(topic, grant.client()).await?;
    let seen = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()).map(str::to_owned);
    let heartbeat = KeepAlive::new().interval(live.heartbeat);
    // The stream ends when the key is revoked.
    let events = events(subscription, seen, live.shutdown).take_until(grant.lost(site_id));
    Ok(([UNBUFFERED], Extension(EndsWithClient), Sse::new(events).keep_alive(heartbeat)))
}

/// The stream of events: the latest totals whenever the connection has room, if they differ from those before. The
/// connection takes one at a time, so there is no queue.
fn events(
    subscription: Subscription,
    seen: Option<String>,
    shutdown: CancellationToken,
) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold((subscription, seen), move |(mut subscription, seen)| {
        let shutdown = shutdown.clone();
        async move {
            let totals = shutdown.run_until_cancelled(subscription.other_than(seen.as_deref())).await??;
            metrics::pushed();
            Some((Ok(event(&totals)), (subscription, Some(totals.id().to_owned()))))
        }
    })
}

fn event(totals: &LiveTotals) -> Event {
    let event = Event::default().event("totals").id(totals.id());
    event.json_data(totals).expect("totals are valid JSON")
}

impl From<LiveError> for ApiError {
    fn from(err: LiveError) -> Self {
        Self::unavailable(err.code(), err.to_string())
    }
}
