//! One partition's envelopes, one after the other: built from what waits, published, and answered.

use std::time::Duration;

use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, ErrorCode};
use bytes::Bytes;
use contract::envelope::{ENVELOPE_BYTES_MAX, ENVELOPE_EVENTS_MAX};
use contract::log::{EVENT_COUNT_HEADER, SCHEMA_HEADER, SCHEMA_V1, TRACE_HEADER};
use contract::{Partition, Receipt};
use service::Span;
use service::traces::{self, SpanContext, SpanKind};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;

use crate::instruments;
use crate::log::Log;
use crate::publisher::Unstored;

/// Between the first two tries to publish the same envelope. Each pause is twice the one before …
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// … up to this: a stream without a leader refuses at once, for as long as servers take to elect one.
const RETRY_PAUSE_MAX: Duration = Duration::from_millis(200);

/// So often others get on before an envelope is closed that has fewer requests than the last one. Measured with 64
/// connections: 24,400 events a second without, 28,000 with it, at 23 and 17 CPU seconds of nats-server a million.
const GATHER_YIELDS: u32 = 8;

/// Where so many requests waited for the last one, it is worth a timer.
const GATHER_MANY: usize = 32;

/// The shortest that a timer can wait. Measured with 512 connections: 30,400 and 48,400 events a second.
const GATHER_PAUSE: Duration = Duration::from_millis(1);

/// Events that wait together, and stay together in their envelope.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) lines: Vec<u8>,
    pub(crate) events: u32,
    pub(crate) deadline: Instant,
    pub(crate) answer: oneshot::Sender<Result<Receipt, Unstored>>,
    /// Of its request, if somebody traces it.
    pub(crate) trace: Option<Box<SpanContext>>,
    pub(crate) _room: OwnedSemaphorePermit,
}

impl Pending {
    /// Whoever sent it has given up, or has been given up.
    fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }
}

/// The next message for the log.
struct Envelope {
    /// The log drops what it has seen under this id, so the same bytes may be sent again and again.
    id: String,
    body: Bytes,
    events: u32,
    waiting: Vec<Pending>,
    /// When the last of those who wait gives up.
    deadline: Instant,
    /// Of its way into the log, if one of its requests is traced.
    span: Option<Span>,
}

/// Publishes one partition's envelopes.
pub(crate) struct Committer {
    partition: Partition,
    stream: String,
    subject: String,
    log: Log,
    queue: mpsc::UnboundedReceiver<Pending>,
    /// Taken from the queue, but without room in the last envelope.
    carried: Option<Pending>,
    /// How many waited for the last envelope.
    waited: usize,
}

impl Committer {
    pub(crate) fn new(partition: Partition, log: Log, queue: mpsc::UnboundedReceiver<Pending>) -> Self {
        Self {
            partition,
            stream: partition.stream(),
            subject: partition.subject(),
            log,
            queue,
            carried: None,
            waited: 0,
        }
    }

    /// Runs until nobody can queue anything any more.
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        while let Some(envelope) = self.next_envelope().await {
            let begun = Instant::now();
            let outcome = self.store(&envelope).await;
            instruments::envelope(envelope.events, envelope.body.len(), begun.elapsed());
            self.answer(envelope, outcome);
        }
        Ok(())
    }

    /// Waits for an event, then takes all that wait behind it, up to the size of an envelope.
    async fn next_envelope(&mut self) -> Option<Envelope> {
        let first = loop {
            let pending = match self.carried.take() {
                Some(pending) => pending,
                None => self.queue.recv().await?,
            };
            if !pending.is_abandoned() {
                break pending;
            }
        };
        self.gather().await;
        let (mut events, mut bytes, mut waiting) = (first.events, first.lines.len(), vec![first]);
        while let Ok(pending) = self.queue.try_recv() {
            if pending.is_abandoned() {
                continue;
            }
            let fits = bytes + pending.lines.len() <= ENVELOPE_BYTES_MAX
                && (events + pending.events) as usize <= ENVELOPE_EVENTS_MAX;
            if !fits {
                self.carried = Some(pending);
                break;
            }
            events += pending.events;
            bytes += pending.lines.len();
            waiting.push(pending);
        }
        self.waited = waiting.len();
        Some(Envelope { span: self.span(&waiting), ..Envelope::of(waiting, events, bytes) })
    }

    /// The span of an envelope: in the trace of the first event that has one, with links to others.
    fn span(&self, waiting: &[Pending]) -> Option<Span> {
        if !traces::is_on() {
            return None;
        }
        let contexts = waiting.iter().filter_map(|pending| pending.trace.as_deref().cloned());
        let contexts: Vec<_> = contexts.take(traces::CONTEXTS_MAX).collect();
        Span::following(format!("publish {}", self.subject), SpanKind::Producer, &contexts)
    }

    /// Waits a moment for as many as waited for the last envelope. Who was just answered sends the next event at once:
    /// without this, half of the clients would always wait for the envelope of the other half, and the log would have
    /// twice as many to write to disk.
    async fn gather(&self) {
        let is_short = || self.queue.len() + 1 < self.waited;
        for _ in 0..GATHER_YIELDS {
            if !is_short() {
                return;
            }
            tokio::task::yield_now().await;
        }
        if self.waited >= GATHER_MANY && is_short() {
            tokio::time::sleep(GATHER_PAUSE).await;
        }
    }

    /// Publishes until it is stored for certain, or nobody waits for it any more.
    async fn store(&self, envelope: &Envelope) -> Result<u64, Unstored> {
        tokio::time::timeout_at(envelope.deadline, async {
            let mut pause = RETRY_PAUSE;
            loop {
                self.log.trusted(self.partition).await.map_err(|_| Unstored::LogRefused)?;
                let outcome = tokio::select! {
                    biased;
                    outcome = self.try_store(envelope) => outcome,
                    // What was on its way over a connection that broke is sent over the next one: nobody answers it.
                    () = self.log.doubtful() => {
                        instruments::retried();
                        continue;
                    }
                };
                match outcome {
                    Ok(sequence) => return Ok(sequence),
                    Err(err) if is_full(&err) => {
                        tracing::error!(stream.name = self.stream, error = %chain(&err), "The log is full");
                        return Err(Unstored::LogFull);
                    }
                    Err(err) => {
                        tracing::warn!(
                            stream.name = self.stream,
                            envelope.id = envelope.id,
                            envelope.events = envelope.events,
                            error = %chain(&err),
                            "Publishing the same envelope again"
                        );
                        instruments::retried();
                        self.log.doubt();
                        tokio::time::sleep(pause).await;
                        pause = (2 * pause).min(RETRY_PAUSE_MAX);
                    }
                }
            }
        })
        .await
        .unwrap_or(Err(Unstored::Deadline))
    }

    async fn try_store(&self, envelope: &Envelope) -> Result<u64, PublishError> {
        let message = PublishMessage::build()
            .payload(envelope.body.clone())
            .message_id(&envelope.id)
            .expected_stream(&self.stream)
            .header(SCHEMA_HEADER, SCHEMA_V1)
            .header(EVENT_COUNT_HEADER, envelope.events.to_string().as_str());
        let message = match &envelope.span {
            Some(span) => message.header(TRACE_HEADER, span.traceparent().as_str()),
            None => message,
        };
        let sent = Instant::now();
        let stored = self.log.jetstream.send_publish(self.subject.clone(), message).await?.await?;
        instruments::acknowledged(sent.elapsed());
        Ok(stored.sequence)
    }

    fn answer(&self, mut envelope: Envelope, outcome: Result<u64, Unstored>) {
        if let Some(mut span) = envelope.span.take() {
            span.note("messaging.batch.message_count", envelope.events.into());
            if let Err(reason) = outcome {
                span.fail(reason.to_string());
            }
        }
        let mut line = 0;
        for pending in envelope.waiting {
            let receipt = outcome.map(|sequence| Receipt { partition: self.partition, sequence, line });
            line += pending.events;
            // Nobody listens where the client went away: its event is stored all the same.
            let _ = pending.answer.send(receipt);
        }
        if outcome.is_ok() {
            instruments::stored(envelope.events);
        }
    }
}

impl Envelope {
    fn of(waiting: Vec<Pending>, events: u32, bytes: usize) -> Self {
        let mut body = Vec::with_capacity(bytes);
        for pending in &waiting {
            body.extend_from_slice(&pending.lines);
        }
        let deadline = waiting.iter().map(|pending| pending.deadline).max().expect("somebody waits");
        Self { id: nuid::next().to_string(), body: body.into(), events, waiting, deadline, span: None }
    }
}

/// The stream or the server is at a bound that trying again at once does not move.
fn is_full(err: &PublishError) -> bool {
    err.kind() == PublishErrorKind::Other
        && source(err).is_some_and(|said| {
            matches!(said.error_code(), ErrorCode::STREAM_STORE_FAILED | ErrorCode::INSUFFICIENT_RESOURCES)
        })
}

fn source(err: &PublishError) -> Option<&jetstream::Error> {
    std::error::Error::source(err).and_then(|source| source.downcast_ref())
}

fn chain(err: &PublishError) -> String {
    source(err).map_or_else(|| err.to_string(), |said| format!("{err}: {said}"))
}
