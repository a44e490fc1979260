//! Routes, and the answers.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use contract::event::{EVENT_BYTES_MAX, EVENT_LINE_BYTES_MAX};
use contract::{InvalidEvent, Receipt};
use futures_util::future::try_join_all;
use service::access::{Access, Grant, Metered, Pages};
use service::health::Health;
use service::{Refusal, Span};

use crate::batch::{BATCH_BYTES_MAX, Batch, InvalidBatch};
use crate::body::{Bodies, ReadBody, Reading, SMALL_BODY_BYTES_MAX};
use crate::config::Config;
use crate::instruments;
use crate::log::Log;
use crate::openapi::{self, BatchAccepted, EventAccepted, EventRejected};
use crate::publisher::{Publisher, RequestParts, Unstored};
use crate::size;
use crate::submission::{Rejected, Rules, Submission};

/// Bytes of a request with one event: the 32 KiB of its line, and 8 KiB of white space. 40 KiB.
pub const EVENT_BODY_BYTES_MAX: usize = EVENT_LINE_BYTES_MAX + EVENT_BYTES_MAX;

const _: () = assert!(EVENT_BODY_BYTES_MAX <= SMALL_BODY_BYTES_MAX, "single events have the room of small bodies");

/// What the handlers need.
#[derive(Debug, Clone)]
pub struct Ingest {
    publisher: Publisher,
    bodies: Bodies,
    log: Log,
    partitions: u16,
}

impl Ingest {
    /// Puts it together.
    pub fn new(publisher: Publisher, bodies: Bodies, log: Log, config: &Config) -> Self {
        Self { publisher, bodies, log, partitions: config.partitions }
    }

    /// Reads a body of at most so many bytes, and counts it.
    async fn receive(&self, sent: Sent, bytes_max: usize) -> Result<(ReadBody, Sender), Refusal> {
        let Sent { sender, headers, body } = sent;
        let (client, key) = (sender.client.network(), sender.client.key());
        let reading = Reading { client, key, headers: &headers, bytes_max };
        let body = self.bodies.read(reading, body).await?;
        sender.client.send_bytes(body.bytes.len())?;
        Ok((body, sender))
    }

    /// What is accepted now, with this key.
    fn rules(&self, grant: Grant) -> Rules {
        let present = self.log.present();
        Rules {
            now: present.latest,
            is_clock_sure: present.is_sure,
            envelope_bytes_max: size::body_bytes_max(self.log.least_message_bytes_max()),
            partitions: self.partitions,
            grant,
        }
    }
}

/// Who has sent a request, and what may be sent.
pub(crate) struct Sender {
    grant: Grant,
    client: Metered,
}

/// A request that is to be read.
struct Sent {
    sender: Sender,
    headers: HeaderMap,
    body: Body,
}

impl<S: Send + Sync> FromRequestParts<S> for Sender {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let grant = Grant::from_request_parts(parts, state).await?;
        let Ok(client) = Metered::from_request_parts(parts, state).await;
        Ok(Self { grant, client })
    }
}

/// Whether the log is fit, and what is measured.
pub(crate) fn health(ingest: &Ingest, log: Log) -> Health {
    let (publisher, bodies) = (ingest.publisher.clone(), ingest.bodies.clone());
    let sample = move || instruments::sample(&publisher, &bodies);
    let health = Health::new(move || std::future::ready(log.readiness()), sample);
    // After the line above, which installs the recorder that takes descriptions.
    instruments::describe();
    health
}

/// Everything that clients are served; `health` are the routes of probes, and of metrics where operators have no address.
pub(crate) fn router(ingest: Ingest, health: Router, access: &Access) -> Router {
    let events = Router::new()
        .route("/event", post(post_event))
        .route("/events", post(post_events))
        // Bodies have limits of their own, which also count what is unpacked.
        .layer(DefaultBodyLimit::disable())
        .with_state(Arc::new(ingest));
    let all = events
        .merge(openapi::router(access))
        .merge(health)
        .fallback(|| async { Refusal::not_found() })
        .method_not_allowed_fallback(|| async { Refusal::wrong_method() });
    // Any page may send its events: there is nothing to steal here. A key may be for some pages only.
    access.answer_pages(service::requests::measured(access.guard(all)), Pages::Send)
}

/// Stores one event.
///
/// The answer comes once the event is on disk. `Content-Type` does not matter; the body may be gzipped.
#[utoipa::path(
    post,
    path = "/event",
    tag = "events",
    request_body = openapi::EventDescription,
    responses(
        (status = 200, description = "The event is stored.", body = EventAccepted),
        (status = 400, description = "It is no event.", body = service::refusal::RefusalBody),
        (status = 413, description = "It is larger than 8 KiB, or than 32 KiB with its query and its referrer.", body = service::refusal::RefusalBody),
        (status = 415, description = "It is compressed, but not with gzip.", body = service::refusal::RefusalBody),
        (status = 503, description = "It is not certain that it is stored: send it again after `Retry-After` seconds, with the same `event_id`.", body = service::refusal::RefusalBody),
    )
)]
pub(crate) async fn post_event(
    State(ingest): State<Arc<Ingest>>,
    sender: Sender,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<EventAccepted>, Refusal> {
    let span = Span::request("POST /event", &headers);
    let answer = accept_event(&ingest, Sent { sender, headers, body }, span.as_ref()).await;
    end(span, &answer);
    answer
}

async fn accept_event(ingest: &Ingest, sent: Sent, span: Option<&Span>) -> Result<Json<EventAccepted>, Refusal> {
    let (body, Sender { grant, client }) = ingest.receive(sent, EVENT_BODY_BYTES_MAX).await?;
    let submission = Submission::one(&body.bytes, &ingest.rules(grant)).map_err(refuse_event)?;
    client.send_events(1)?;
    // What waits for the log is counted by the queue: the body's room is for bodies.
    drop(body);
    let stored = ingest.publisher.publish(submission, Arc::default(), span.map(Span::context)).await;
    let receipt = stored.map_err(|reason| refuse_for_now(reason, 1))?;
    Ok(Json(EventAccepted { success: true, message: "Event queued", receipt: receipt.to_string() }))
}

/// Stores many events.
///
/// A JSON array or one event a line, at most 10,000 of them and 8 MiB. Valid events are stored, invalid ones are told
/// by index. The answer comes once all valid ones are on disk.
#[utoipa::path(
    post,
    path = "/events",
    tag = "events",
    request_body(
        description = "A JSON array of events, or NDJSON.",
        content(
            (Vec<openapi::EventDescription> = "application/json"),
            (String = "application/x-ndjson", example = "{\"site_id\":\"site-abc-123\",\"event_type\":\"page_view\",\"path\":\"/\",\"timestamp\":\"2025-11-12T19:30:01Z\"}\n"),
        )
    ),
    responses(
        (status = 200, description = "All valid events are stored.", body = BatchAccepted),
        (status = 400, description = "Nothing in it is an event.", body = service::refusal::RefusalBody),
        (status = 413, description = "It is larger than 8 MiB, or has more than 10,000 events.", body = service::refusal::RefusalBody),
        (status = 415, description = "It is compressed, but not with gzip.", body = service::refusal::RefusalBody),
        (status = 503, description = "It is not certain that all are stored: send them again after `Retry-After` seconds, with the same `event_id`s.", body = service::refusal::RefusalBody),
    )
)]
pub(crate) async fn post_events(
    State(ingest): State<Arc<Ingest>>,
    sender: Sender,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<BatchAccepted>, Refusal> {
    let span = Span::request("POST /events", &headers);
    let answer = accept_events(&ingest, Sent { sender, headers, body }, span.as_ref()).await;
    end(span, &answer);
    answer
}

async fn accept_events(ingest: &Ingest, sent: Sent, span: Option<&Span>) -> Result<Json<BatchAccepted>, Refusal> {
    let (body, Sender { grant, client }) = ingest.receive(sent, BATCH_BYTES_MAX).await?;
    let rules = ingest.rules(grant);
    // Eight megabytes of JSON take tens of milliseconds, in which other requests are served.
    let parsing = tokio::task::spawn_blocking(move || {
        // All of it, or its room would stay with this function until the log has answered.
        let body = body;
        Batch::parse(&body.bytes, &rules)
    });
    let batch = parsing
        .await
        .map_err(|_| Refusal::unavailable("not_read", "the batch could not be read"))?
        .map_err(refuse_batch)?;
    // Those that are none took as much work.
    client.send_events(batch.accepted + batch.rejected.len())?;
    for (_, reason) in &batch.rejected {
        instruments::rejected(reason);
    }
    let accepted = batch.accepted;
    store(&ingest.publisher, batch, span).await.map(Json).map_err(|reason| refuse_for_now(reason, accepted))
}

async fn store(publisher: &Publisher, batch: Batch, span: Option<&Span>) -> Result<BatchAccepted, Unstored> {
    let mut receipts = vec![String::new(); batch.accepted];
    let parts = Arc::<RequestParts>::default();
    let stored = batch.parts.into_iter().map(|part| {
        let stored = publisher.publish(part.submission, parts.clone(), span.map(Span::context));
        async move { Ok((stored.await?, part.positions)) }
    });
    for (first, positions) in try_join_all(stored).await? {
        for (line, position) in (first.line..).zip(positions) {
            receipts[position] = Receipt { line, ..first }.to_string();
        }
    }
    let reject =
        |(index, reason): (usize, Rejected)| EventRejected { index, error: reason.to_string(), code: reason.code() };
    Ok(BatchAccepted {
        success: true,
        accepted: batch.accepted,
        rejected: batch.rejected.len(),
        receipts,
        errors: batch.rejected.into_iter().map(reject).collect(),
    })
}

/// Ends the span of a request that somebody traces.
fn end<Accepted>(span: Option<Span>, answer: &Result<Accepted, Refusal>) {
    if let Some(span) = span {
        span.answered(answer.as_ref().map_or_else(Refusal::status, |_| StatusCode::OK));
    }
}

#[expect(clippy::needless_pass_by_value, reason = "map_err passes it so")]
fn refuse_event(reason: Rejected) -> Refusal {
    if reason == Rejected::Unsure {
        return refuse_for_now(Unstored::ClocksDiffer, 1);
    }
    instruments::rejected(&reason);
    match reason {
        Rejected::NotAllowed => Grant::refusal(),
        Rejected::Invalid(InvalidEvent::TooLarge | InvalidEvent::LineTooLarge) => {
            Refusal::too_large(reason.code(), reason.to_string())
        }
        _ => Refusal::bad_request(reason.code(), reason.to_string()),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "map_err passes it so")]
fn refuse_batch(reason: InvalidBatch) -> Refusal {
    match reason {
        InvalidBatch::NothingAllowed => Grant::refusal(),
        InvalidBatch::NothingValid { error: Rejected::Unsure, .. } => refuse_for_now(Unstored::ClocksDiffer, 1),
        InvalidBatch::TooMany => Refusal::too_large(reason.code(), reason.to_string()),
        _ => Refusal::bad_request(reason.code(), reason.to_string()),
    }
}

/// All events of the request count as unconfirmed, whatever became of some of them.
fn refuse_for_now(reason: Unstored, events: usize) -> Refusal {
    instruments::unconfirmed(reason, events);
    Refusal::unavailable(reason.code(), reason.to_string())
}
