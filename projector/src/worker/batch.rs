//! Batches of envelopes: read from the log and folded, until they are worth a transaction.

use contract::Partition;
use fold::{DedupWindow, Fold, Message};
use futures_util::FutureExt;
use service::Span;
use service::traces::{self, SpanContext, SpanKind};
use tokio::time::Instant;

use super::pacing::limits::BatchLimits;
use crate::metrics;
use crate::read_models::checkpoint::Checkpoint;
use crate::read_models::commit::Batch;
use crate::read_models::commit_lines::EnvelopeLines;
use event_log::entry::Entry;
use event_log::error::LogError;
use event_log::position::Position;
use event_log::reader::LogReader;
use event_log::stream::as_stored;

/// Folds the envelopes of a reader into batches.
pub(crate) struct Batcher {
    reader: LogReader,
    /// Fault that ended the last batch early. The next one reports it.
    fault: Option<LogError>,
    /// Span contexts of the last batch's envelopes.
    traces: Vec<SpanContext>,
}

impl From<Checkpoint> for Position {
    fn from(checkpoint: Checkpoint) -> Self {
        let Checkpoint { sequence, stream_created, logged_at, counted_until, .. } = checkpoint;
        Self { sequence, stream_created, logged_at, counted_until }
    }
}

impl Batcher {
    /// Begins with the next envelope of a reader.
    pub(crate) fn new(reader: LogReader) -> Self {
        Self { reader, fault: None, traces: vec![] }
    }

    /// Waits for an envelope, and folds all that follow until the batch is full, the log is drained, or sequence `until`
    /// is in it, which must not have been read yet.
    ///
    /// # Errors
    ///
    /// See [`LogError`]. Envelopes that came before a fault are a batch of their own; the next call reports the fault.
    pub(crate) async fn next_batch(
        &mut self,
        fold: &Fold,
        recent: &mut DedupWindow,
        limits: BatchLimits,
        until: u64,
    ) -> Result<Batch, LogError> {
        assert!(self.reader.next_sequence() <= until, "there is something left to read");
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        self.traces.clear();
        let mut batch = Batch::empty(fold);
        let (mut begun, mut rests) = (None, limits.duty_cycle.begin());
        while self.reader.next_sequence() <= until && !limits.are_reached_by(&batch) {
            if begun.is_some_and(|begun: Instant| begun.elapsed() > limits.batch_time_max) {
                break;
            }
            // With more in the log it is worth waiting for; otherwise what has come is all there is.
            let is_drained = batch.envelopes > 0 && batch.pending == 0;
            let next = self.reader.next_entry();
            let entry = if is_drained { next.now_or_never() } else { Some(next.await) };
            let Some(entry) = entry else { break };
            begun.get_or_insert_with(Instant::now);
            match entry {
                Ok(entry) => self.add(&mut batch, fold, recent, &entry),
                Err(fault) if batch.envelopes > 0 => {
                    self.fault = Some(fault);
                    break;
                }
                Err(fault) => return Err(fault),
            }
            rests.rest().await;
        }
        batch.deltas.sort();
        if let Some(begun) = begun {
            metrics::folded(begun.elapsed());
        }
        Ok(batch)
    }

    /// Begins the span of the last batch: in the trace of its first envelope that has one, with links to the others.
    pub(crate) fn span(&self, partition: Partition) -> Option<Span> {
        Span::following(format!("commit {}", partition.subject()), SpanKind::Consumer, &self.traces)
    }

    /// Reads the next envelope, and folds each of its lines by itself.
    pub(crate) async fn next_lines(
        &mut self,
        fold: &Fold,
        recent: &mut DedupWindow,
    ) -> Result<EnvelopeLines, LogError> {
        let entry = self.reader.next_entry().await?;
        let mut deltas = fold.begin();
        let lines = if entry.is_erased {
            fold.pass(recent, &mut deltas, message(&entry));
            Vec::new()
        } else {
            fold.by_lines(recent, &mut deltas, message(&entry))
        };
        // Each line is one event, whatever becomes of it.
        deltas.events = lines.len() as u64;
        let batch = Batch {
            deltas,
            last_sequence: entry.sequence,
            last_logged_at: Some(as_stored(entry.logged_at)),
            envelopes: 1,
            pending: entry.pending,
        };
        Ok(EnvelopeLines { batch, lines })
    }

    fn add(&mut self, batch: &mut Batch, fold: &Fold, recent: &mut DedupWindow, entry: &Entry) {
        if self.traces.len() < traces::CONTEXTS_MAX {
            self.traces.extend(entry.trace.clone());
        }
        if entry.is_erased {
            fold.pass(recent, &mut batch.deltas, message(entry));
        } else {
            fold.add(recent, &mut batch.deltas, message(entry));
        }
        batch.last_sequence = entry.sequence;
        batch.last_logged_at = Some(as_stored(entry.logged_at));
        batch.envelopes += 1;
        batch.pending = self.reader.pending_behind(entry);
    }
}

/// An envelope as the fold is given it.
fn message(entry: &Entry) -> Message<'_> {
    let Entry { sequence, logged_at, sent_at, .. } = *entry;
    Message { sequence, logged_at, sent_at, schema: entry.schema.as_deref(), body: &entry.body }
}
