//! Handlers of `/event` and `/events`: read a body, check its events, publish them, answer with receipts.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use contract::Receipt;
use contract::event::{EVENT_BYTES_MAX, EVENT_LINE_BYTES_MAX};
use futures_util::future::try_join_all;
use service::access::{AnswerMemory, Grant, Metered};
use service::{ApiError, Span};

use super::body::{Bodies, BodyRequest, ReadBody, SMALL_BODY_BYTES_MAX};
use super::errors::{refuse_batch, refuse_event, refuse_unconfirmed};
use super::messages::{BatchAccepted, EventAccepted, EventDescription, EventRejected};
use crate::batch::{BATCH_BYTES_MAX, Batch, RejectedEvent};
use crate::log::{Log, body_bytes_max};
use crate::memory::Owner;
use crate::metrics;
use crate::publish::{PublishError, PublishQueue, RequestParts};
use crate::submission::{self, Rules};

/// Maximum bytes of a request with one event: the 32 KiB of its line, and 8 KiB of white space.
pub const EVENT_BODY_BYTES_MAX: usize = EVENT_LINE_BYTES_MAX + EVENT_BYTES_MAX;

/// Maximum bytes of a receipt as JSON with its comma: partition, sequence and line have at most 5, 20 and 5 digits.
const RECEIPT_BYTES_MAX: usize = 36;

/// Maximum bytes of an error in the answer to a batch, beside its sentence: index, code, names and punctuation.
const ERROR_BYTES_MAX: usize = 100;

/// Bytes of the answer to a batch beside receipts and errors.
const ANSWER_BYTES: usize = 200;

const _: () = assert!(EVENT_BODY_BYTES_MAX <= SMALL_BODY_BYTES_MAX, "single events have the room of small bodies");

/// State of the handlers.
#[derive(Debug, Clone)]
pub(crate) struct Ingest {
    pub(super) queue: PublishQueue,
    pub(super) bodies: Bodies,
    log: Log,
    partitions: u16,
}

impl Ingest {
    /// State of a service with so many partitions.
    pub(crate) fn new(queue: PublishQueue, bodies: Bodies, log: Log, partitions: u16) -> Self {
        Self { queue, bodies, log, partitions }
    }

    /// Reads a body of at most `bytes_max`, and counts it against the client's rate.
    async fn receive(&self, request: EventRequest, bytes_max: usize) -> Result<(ReadBody, Sender), ApiError> {
        let EventRequest { sender, headers, body } = request;
        let (client, key) = (sender.client.network(), sender.client.key());
        let body = self.bodies.read(BodyRequest { client, key, headers: &headers, bytes_max }, body).await?;
        sender.client.send_bytes(body.bytes.len())?;
        Ok((body, sender))
    }

    /// The rules for events that arrive now with this key.
    fn rules(&self, grant: Grant) -> Rules {
        let present = self.log.present();
        Rules {
            now: present.latest,
            is_clock_sure: present.is_sure,
            envelope_bytes_max: body_bytes_max(self.log.least_message_bytes_max()),
            partitions: self.partitions,
            grant,
        }
    }
}

/// Client of a request, and what its key permits.
pub(super) struct Sender {
    grant: Grant,
    client: Metered,
}

/// Answer to a batch, with the memory that was reserved for it.
type BatchAnswer = (Option<Extension<AnswerMemory>>, Json<BatchAccepted>);

/// A request whose body is not read yet.
struct EventRequest {
    sender: Sender,
    headers: HeaderMap,
    body: Body,
}

impl<S: Send + Sync> FromRequestParts<S> for Sender {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let grant = Grant::from_request_parts(parts, state).await?;
        let Ok(client) = Metered::from_request_parts(parts, state).await;
        Ok(Self { grant, client })
    }
}

/// Stores one event.
///
/// The answer comes once the event is on disk. `Content-Type` does not matter; the body may be gzipped.
#[utoipa::path(
    post,
    path = "/event",
    tag = "events",
    request_body = EventDescription,
    responses(
        (status = 200, description = "The event is stored.", body = EventAccepted),
        (status = 400, description = "The body is no valid event.", body = service::http::ErrorBody),
        (status = 413, description = "The event is larger than 8 KiB, or than 32 KiB with its query and its referrer.", body = service::http::ErrorBody),
        (status = 415, description = "The body is compressed, but not with gzip.", body = service::http::ErrorBody),
        (status = 503, description = "The event may not be stored: send it again after `Retry-After` seconds, with the same `event_id`.", body = service::http::ErrorBody),
    )
)]
pub(super) async fn post_event(
    State(ingest): State<Arc<Ingest>>,
    sender: Sender,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<EventAccepted>, ApiError> {
    let span = Span::request("POST /event", &headers);
    let answer = accept_event(&ingest, EventRequest { sender, headers, body }, span.as_ref()).await;
    end(span, &answer);
    answer
}

async fn accept_event(
    ingest: &Ingest,
    request: EventRequest,
    span: Option<&Span>,
) -> Result<Json<EventAccepted>, ApiError> {
    let (body, Sender { grant, client }) = ingest.receive(request, EVENT_BODY_BYTES_MAX).await?;
    let submission = submission::parse(&body.bytes, &ingest.rules(grant)).map_err(refuse_event)?;
    client.send_events(1)?;
    // Frees the body's memory: the queue counts what waits for the log.
    drop(body);
    let parts = parts_of(&client);
    let stored = ingest.queue.publish(submission, parts, span.map(Span::context)).await;
    let receipt = stored.map_err(|reason| refuse_unconfirmed(reason, 1))?;
    Ok(Json(EventAccepted { success: true, message: "Event queued", receipt: receipt.to_string() }))
}

/// Stores many events.
///
/// The body is a JSON array or has one event a line, at most 10,000 events and 8 MiB. Valid events are stored; invalid ones
/// are listed by index. The answer comes once all valid events are on disk.
#[utoipa::path(
    post,
    path = "/events",
    tag = "events",
    request_body(
        description = "A JSON array of events, or NDJSON.",
        content(
            (Vec<EventDescription> = "application/json"),
            (String = "application/x-ndjson", example = "{\"site_id\":\"site-abc-123\",\"event_type\":\"page_view\",\"path\":\"/\",\"timestamp\":\"2025-11-12T19:30:01Z\"}\n"),
        )
    ),
    responses(
        (status = 200, description = "All valid events are stored.", body = BatchAccepted),
        (status = 400, description = "The body has no valid event.", body = service::http::ErrorBody),
        (status = 413, description = "The body is larger than 8 MiB, or has more than 10,000 events.", body = service::http::ErrorBody),
        (status = 415, description = "The body is compressed, but not with gzip.", body = service::http::ErrorBody),
        (status = 503, description = "Some events may not be stored: send all of them again after `Retry-After` seconds, with the same `event_id`s.", body = service::http::ErrorBody),
    )
)]
pub(super) async fn post_events(
    State(ingest): State<Arc<Ingest>>,
    sender: Sender,
    headers: HeaderMap,
    body: Body,
) -> Result<BatchAnswer, ApiError> {
    let span = Span::request("POST /events", &headers);
    let answer = accept_events(&ingest, EventRequest { sender, headers, body }, span.as_ref()).await;
    end(span, &answer);
    answer
}

async fn accept_events(ingest: &Ingest, request: EventRequest, span: Option<&Span>) -> Result<BatchAnswer, ApiError> {
    let (body, Sender { grant, client }) = ingest.receive(request, BATCH_BYTES_MAX).await?;
    let rules = ingest.rules(grant);
    // Eight megabytes of JSON take tens of milliseconds, in which other requests are served.
    let parsing = tokio::task::spawn_blocking(move || {
        // Moves the whole body here; its memory would otherwise stay reserved until the log has answered.
        let body = body;
        Batch::parse(&body.bytes, &rules)
    });
    let batch = parsing
        .await
        .map_err(|_| ApiError::unavailable("not_read", "the batch could not be read"))?
        .map_err(refuse_batch)?;
    // Invalid events count, because they took as much work.
    client.send_events(batch.accepted + batch.rejected.len())?;
    for event in &batch.rejected {
        metrics::rejected(event.reason.code());
    }
    // Before anything is stored: afterwards an error would be wrong.
    let memory = client.reserve_answer(answer_bytes_max(&batch))?.map(Extension);
    let accepted = batch.accepted;
    let stored = store(&ingest.queue, batch, parts_of(&client), span).await;
    let stored = stored.map_err(|reason| refuse_unconfirmed(reason, accepted))?;
    Ok((memory, Json(stored)))
}

/// Maximum bytes of the answer to a batch.
fn answer_bytes_max(batch: &Batch) -> usize {
    let sentence =
        |event: &RejectedEvent| serde_json::to_string(&event.reason.to_string()).map_or(0, |json| json.len());
    let errors = batch.rejected.iter().map(|event| sentence(event) + ERROR_BYTES_MAX);
    ANSWER_BYTES + batch.accepted * RECEIPT_BYTES_MAX + errors.sum::<usize>()
}

/// The parts of a request of a client, none published yet.
fn parts_of(client: &Metered) -> Arc<RequestParts> {
    Arc::new(RequestParts::of(Owner::all(client.network(), client.key())))
}

async fn store(
    queue: &PublishQueue,
    batch: Batch,
    parts: Arc<RequestParts>,
    span: Option<&Span>,
) -> Result<BatchAccepted, PublishError> {
    let mut receipts = vec![String::new(); batch.accepted];
    let stored = batch.parts.into_iter().map(|part| {
        let stored = queue.publish(part.submission, parts.clone(), span.map(Span::context));
        async move { Ok((stored.await?, part.positions)) }
    });
    for (first, positions) in try_join_all(stored).await? {
        for (line, position) in (first.line..).zip(positions) {
            receipts[position] = Receipt { line, ..first }.to_string();
        }
    }
    let reject =
        |RejectedEvent { index, reason }| EventRejected { index, error: reason.to_string(), code: reason.code() };
    Ok(BatchAccepted {
        success: true,
        accepted: batch.accepted,
        rejected: batch.rejected.len(),
        receipts,
        errors: batch.rejected.into_iter().map(reject).collect(),
    })
}

/// Ends the span of a traced request.
fn end<Accepted>(span: Option<Span>, answer: &Result<Accepted, ApiError>) {
    if let Some(span) = span {
        span.answered(answer.as_ref().map_or_else(ApiError::status, |_| StatusCode::OK));
    }
}
