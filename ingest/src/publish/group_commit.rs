//! Group commit of one partition: builds an envelope from all waiting events, publishes it until it is stored, answers
//! the requests, and only then builds the next one.

use std::collections::VecDeque;
use std::time::Duration;

use async_nats::jetstream::context;
use async_nats::jetstream::message::PublishMessage;
use contract::envelope::{ENVELOPE_BYTES_MAX, ENVELOPE_EVENTS_MAX};
use contract::subjects::{EVENT_COUNT_HEADER, SCHEMA_HEADER, SCHEMA_V1, SENT_AT_HEADER, TRACE_HEADER};
use contract::{Partition, Receipt};
use service::Span;
use service::traces::{self, SpanKind};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::envelope::Envelope;
use super::error::PublishError;
use super::failure::{Failure, chain};
use super::pending::Pending;
use crate::clock::Moment;
use crate::log::{DUPLICATE_WINDOW_MIN, Log, Refused, body_bytes_max};
use crate::metrics;

/// Maximum age of an envelope that is sent again under its id: half of the time for which the log remembers ids. The age is
/// the greater one by two clocks, so that a step of the wall clock or a suspension of the machine leaves the other half.
const RETRY_TIME_MAX: Duration = Duration::from_secs(DUPLICATE_WINDOW_MIN.as_secs() / 2);

/// Pause between the first two attempts to publish an envelope; each further pause is twice as long, up to
/// [`RETRY_PAUSE_MAX`].
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Maximum pause between attempts. A stream without a leader refuses at once, for as long as servers take to elect one.
const RETRY_PAUSE_MAX: Duration = Duration::from_millis(200);

/// Yields to other tasks before an envelope is closed that has fewer requests than the last one. With 64 connections they
/// are worth 15 % more events a second, and a quarter of nats-server's CPU time.
const GATHER_YIELDS: u32 = 8;

/// Requests in the last envelope from which a timer pays.
const GATHER_MANY: usize = 32;

/// The shortest time that a timer can wait. With 512 connections it is worth 60 % more events a second.
const GATHER_PAUSE: Duration = Duration::from_millis(1);

/// Publishes one partition's envelopes.
pub(super) struct GroupCommit {
    partition: Partition,
    stream: String,
    subject: String,
    log: Log,
    queue: mpsc::UnboundedReceiver<Pending>,
    /// Entries that were taken from the queue, and had no room in the last envelope.
    carried: VecDeque<Pending>,
    /// Maximum bytes of a body while an envelope that the log refused as too large is published in smaller parts.
    part_bytes_max: usize,
    /// Number of requests in the last envelope.
    last_requests: usize,
}

impl GroupCommit {
    pub(super) fn new(partition: Partition, log: Log, queue: mpsc::UnboundedReceiver<Pending>) -> Self {
        Self {
            partition,
            stream: partition.stream(),
            subject: partition.subject(),
            log,
            queue,
            carried: VecDeque::new(),
            part_bytes_max: ENVELOPE_BYTES_MAX,
            last_requests: 0,
        }
    }

    /// Runs until the queue is closed.
    pub(super) async fn run(mut self) -> anyhow::Result<()> {
        while let Some(envelope) = self.next_envelope().await {
            let begun = Instant::now();
            let outcome = self.store(&envelope).await;
            if outcome == Err(PublishError::TooLarge) && envelope.waiting.len() > 1 {
                self.split(envelope);
                continue;
            }
            metrics::envelope(envelope.events, envelope.body.len(), begun.elapsed());
            self.answer(envelope, outcome);
        }
        Ok(())
    }

    /// Waits for an event, then takes all that wait behind it, up to the maximum size of an envelope.
    async fn next_envelope(&mut self) -> Option<Envelope> {
        let first = loop {
            let pending = match self.carried.pop_front() {
                Some(pending) => pending,
                None => self.queue.recv().await?,
            };
            if pending.take() {
                break pending;
            }
        };
        self.gather().await;
        let bytes_max = self.body_bytes_max();
        let (mut events, mut bytes, mut waiting) = (first.events, first.lines.len(), vec![first]);
        while let Some(pending) = self.carried.pop_front().or_else(|| self.queue.try_recv().ok()) {
            if !pending.take() {
                continue;
            }
            let fits =
                bytes + pending.lines.len() <= bytes_max && (events + pending.events) as usize <= ENVELOPE_EVENTS_MAX;
            if !fits {
                self.carried.push_front(pending);
                break;
            }
            events += pending.events;
            bytes += pending.lines.len();
            waiting.push(pending);
        }
        self.last_requests = waiting.len();
        Some(Envelope { span: self.span(&waiting), ..Envelope::of(waiting, events, bytes) })
    }

    /// Maximum bytes of the next envelope's body.
    fn body_bytes_max(&mut self) -> usize {
        if self.carried.is_empty() {
            self.part_bytes_max = ENVELOPE_BYTES_MAX;
        }
        body_bytes_max(self.log.message_bytes_max(self.partition)).min(self.part_bytes_max)
    }

    /// Splits an envelope that was too large for the log, and is not stored, into parts of half its size.
    fn split(&mut self, envelope: Envelope) {
        self.part_bytes_max = envelope.body.len() / 2;
        for pending in envelope.waiting.into_iter().rev() {
            self.carried.push_front(pending);
        }
    }

    /// Starts the span of an envelope, in the trace of the first event that has one and with links to the others.
    fn span(&self, waiting: &[Pending]) -> Option<Span> {
        if !traces::is_on() {
            return None;
        }
        let contexts = waiting.iter().filter_map(|pending| pending.trace.as_deref().cloned());
        let contexts: Vec<_> = contexts.take(traces::CONTEXTS_MAX).collect();
        Span::following(format!("publish {}", self.subject), SpanKind::Producer, &contexts)
    }

    /// Waits a moment until as many requests wait as were in the last envelope. Clients that were just answered send their
    /// next event at once. Without this, half of the clients would always wait for the envelope of the other half, and the
    /// log would have to write twice as many envelopes to disk.
    async fn gather(&self) {
        let is_short = || self.queue.len() + 1 < self.last_requests;
        for _ in 0..GATHER_YIELDS {
            if !is_short() {
                return;
            }
            tokio::task::yield_now().await;
        }
        if self.last_requests >= GATHER_MANY && is_short() {
            tokio::time::sleep(GATHER_PAUSE).await;
        }
    }

    /// Publishes an envelope until it is surely stored or its deadline has passed.
    async fn store(&self, envelope: &Envelope) -> Result<u64, PublishError> {
        let stored = tokio::time::timeout_at(envelope.deadline, self.store_in_time(envelope)).await;
        match stored.unwrap_or(Err(PublishError::Deadline)) {
            Err(PublishError::Deadline) if self.log.needs_change(self.partition) => Err(PublishError::LogRefused),
            stored => stored,
        }
    }

    async fn store_in_time(&self, envelope: &Envelope) -> Result<u64, PublishError> {
        let (mut pause, mut may_be_stored) = (RETRY_PAUSE, false);
        loop {
            self.log.trusted(self.partition).await.map_err(|refused| match refused {
                Refused::ByPromise => PublishError::LogRefused,
                Refused::ByClocks => PublishError::ClocksDiffer,
            })?;
            // The connection was closed because a message was too large: this one, or that of another partition.
            if envelope.body.len() > body_bytes_max(self.log.message_bytes_max(self.partition)) {
                return Err(if may_be_stored { PublishError::Deadline } else { PublishError::TooLarge });
            }
            // After this time the log may have forgotten the id, and would store the envelope twice.
            if Moment::now().since(&envelope.built) > RETRY_TIME_MAX {
                return Err(PublishError::Deadline);
            }
            let outcome = tokio::select! {
                biased;
                outcome = self.try_store(envelope) => outcome,
                // A message that was on its way when the connection broke is sent over the next one without an answer.
                () = self.log.doubtful() => {
                    may_be_stored = true;
                    metrics::retried();
                    continue;
                }
            };
            let err = match outcome {
                Ok(sequence) => {
                    self.log.stored(self.partition);
                    return Ok(sequence);
                }
                Err(err) => err,
            };
            let failure = Failure::of(&err);
            self.report(envelope, &err, failure);
            match failure {
                Failure::Full => return Err(PublishError::LogFull),
                Failure::TooLarge | Failure::Refused if may_be_stored => return Err(PublishError::Deadline),
                Failure::TooLarge => return Err(PublishError::TooLarge),
                Failure::Refused => return Err(PublishError::LogRefused),
                Failure::Transient => {
                    may_be_stored = true;
                    metrics::retried();
                    tokio::time::sleep(pause).await;
                    pause = (2 * pause).min(RETRY_PAUSE_MAX);
                }
            }
        }
    }

    /// Logs a failure, and asks for a check of the log.
    fn report(&self, envelope: &Envelope, err: &context::PublishError, failure: Failure) {
        let (stream, error) = (&self.stream, chain(err));
        match failure {
            Failure::Full => tracing::error!(stream.name = stream, error, "The log is full"),
            Failure::Refused => {
                tracing::error!(stream.name = stream, error, "The log refuses what ingest publishes");
                self.log.refused(self.partition);
                self.log.doubt();
            }
            Failure::TooLarge | Failure::Transient => {
                tracing::warn!(
                    stream.name = stream,
                    envelope.id = envelope.id,
                    envelope.events = envelope.events,
                    error,
                    "Publishing the same events again"
                );
                self.log.doubt();
            }
        }
    }

    async fn try_store(&self, envelope: &Envelope) -> Result<u64, context::PublishError> {
        let message = PublishMessage::build()
            .payload(envelope.body.clone())
            .message_id(&envelope.id)
            .expected_stream(&self.stream)
            .header(SCHEMA_HEADER, SCHEMA_V1)
            .header(SENT_AT_HEADER, envelope.sent_at.as_str())
            .header(EVENT_COUNT_HEADER, envelope.events.to_string().as_str());
        let message = match &envelope.span {
            Some(span) => message.header(TRACE_HEADER, span.traceparent().as_str()),
            None => message,
        };
        let sent = Instant::now();
        let stored = self.log.jetstream.send_publish(self.subject.clone(), message).await?.await?;
        metrics::acknowledged(sent.elapsed());
        Ok(stored.sequence)
    }

    fn answer(&self, mut envelope: Envelope, outcome: Result<u64, PublishError>) {
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
            // The receiver is gone if the client hung up; its event is stored all the same.
            let _ = pending.answer.send(receipt);
        }
        if outcome.is_ok() {
            metrics::stored(envelope.events);
        }
    }
}
