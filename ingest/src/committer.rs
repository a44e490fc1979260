//! One partition's envelopes, one after the other: built from what waits, published, and answered.

use std::collections::VecDeque;
use std::time::Duration;

use async_nats::jetstream::context::PublishError;
use async_nats::jetstream::message::PublishMessage;
use contract::envelope::{ENVELOPE_BYTES_MAX, ENVELOPE_EVENTS_MAX};
use contract::log::{EVENT_COUNT_HEADER, SCHEMA_HEADER, SCHEMA_V1, SENT_AT_HEADER, TRACE_HEADER};
use contract::{Partition, Receipt};
use service::Span;
use service::traces::{self, SpanKind};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::clock::Moment;
use crate::envelope::Envelope;
use crate::failure::{Failure, chain};
use crate::instruments;
use crate::log::{Log, Refused};
use crate::pending::Pending;
use crate::publisher::Unstored;
use crate::size::body_bytes_max;
use crate::streams::DUPLICATE_WINDOW_MIN;

/// For so long an envelope may be sent again under its id: half of the time for which the log remembers ids, by whichever
/// clock shows more of it, so that a step of a clock and a machine that was suspended leave the other half.
const RETRY_TIME_MAX: Duration = Duration::from_secs(DUPLICATE_WINDOW_MIN.as_secs() / 2);

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

/// Publishes one partition's envelopes.
pub(crate) struct Committer {
    partition: Partition,
    stream: String,
    subject: String,
    log: Log,
    queue: mpsc::UnboundedReceiver<Pending>,
    /// Taken from the queue, but without room in the last envelope.
    carried: VecDeque<Pending>,
    /// Bytes of a body that the log has taken last, while what it refused as too large is published in smaller parts.
    part_bytes_max: usize,
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
            carried: VecDeque::new(),
            part_bytes_max: ENVELOPE_BYTES_MAX,
            waited: 0,
        }
    }

    /// Runs until nobody can queue anything any more.
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        while let Some(envelope) = self.next_envelope().await {
            let begun = Instant::now();
            let outcome = self.store(&envelope).await;
            if outcome == Err(Unstored::TooLarge) && envelope.waiting.len() > 1 {
                self.carry_back(envelope);
                continue;
            }
            instruments::envelope(envelope.events, envelope.body.len(), begun.elapsed());
            self.answer(envelope, outcome);
        }
        Ok(())
    }

    /// Waits for an event, then takes all that wait behind it, up to the size of an envelope.
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
        self.waited = waiting.len();
        Some(Envelope { span: self.span(&waiting), ..Envelope::of(waiting, events, bytes) })
    }

    /// Bytes that the next envelope's body may have: what the log takes now, and less while it refuses that.
    fn body_bytes_max(&mut self) -> usize {
        if self.carried.is_empty() {
            self.part_bytes_max = ENVELOPE_BYTES_MAX;
        }
        body_bytes_max(self.log.message_bytes_max(self.partition)).min(self.part_bytes_max)
    }

    /// What was too large for the log, and is not stored, is published in parts of half the size.
    fn carry_back(&mut self, envelope: Envelope) {
        self.part_bytes_max = envelope.body.len() / 2;
        for pending in envelope.waiting.into_iter().rev() {
            self.carried.push_front(pending);
        }
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
        let stored = tokio::time::timeout_at(envelope.deadline, self.store_in_time(envelope)).await;
        match stored.unwrap_or(Err(Unstored::Deadline)) {
            Err(Unstored::Deadline) if self.log.needs_change(self.partition) => Err(Unstored::LogRefused),
            stored => stored,
        }
    }

    async fn store_in_time(&self, envelope: &Envelope) -> Result<u64, Unstored> {
        let (mut pause, mut may_be_stored) = (RETRY_PAUSE, false);
        loop {
            self.log.trusted(self.partition).await.map_err(|refused| match refused {
                Refused::ByPromise => Unstored::LogRefused,
                Refused::ByClocks => Unstored::ClocksDiffer,
            })?;
            // Beyond this the log may have forgotten the id, and would store the envelope twice.
            if Moment::now().since(&envelope.built) > RETRY_TIME_MAX {
                return Err(Unstored::Deadline);
            }
            let outcome = tokio::select! {
                biased;
                outcome = self.try_store(envelope) => outcome,
                // What was on its way over a connection that broke is sent over the next one: nobody answers it.
                () = self.log.doubtful() => {
                    may_be_stored = true;
                    instruments::retried();
                    continue;
                }
            };
            let err = match outcome {
                Ok(sequence) => {
                    self.log.settle_complaint(self.partition);
                    return Ok(sequence);
                }
                Err(err) => err,
            };
            let failure = Failure::of(&err);
            self.tell_of(envelope, &err, failure);
            match failure {
                Failure::Full => return Err(Unstored::LogFull),
                Failure::TooLarge | Failure::Refused if may_be_stored => return Err(Unstored::Deadline),
                Failure::TooLarge => return Err(Unstored::TooLarge),
                Failure::Refused => return Err(Unstored::LogRefused),
                Failure::Passing => {
                    may_be_stored = true;
                    instruments::retried();
                    tokio::time::sleep(pause).await;
                    pause = (2 * pause).min(RETRY_PAUSE_MAX);
                }
            }
        }
    }

    /// Tells the guard and the operator of a failure.
    fn tell_of(&self, envelope: &Envelope, err: &PublishError, failure: Failure) {
        let (stream, error) = (&self.stream, chain(err));
        match failure {
            Failure::Full => tracing::error!(stream.name = stream, error, "The log is full"),
            Failure::Refused => {
                tracing::error!(stream.name = stream, error, "The log refuses what ingest publishes");
                self.log.complain(self.partition);
                self.log.doubt();
            }
            Failure::TooLarge | Failure::Passing => {
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

    async fn try_store(&self, envelope: &Envelope) -> Result<u64, PublishError> {
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
