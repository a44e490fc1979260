//! One partition, from its checkpoint on: read a batch, commit it, over and over. Whatever fails, begin again at the
//! checkpoint that Postgres has.

mod error;

mod ownership;

mod setbacks;

pub(crate) mod isolation;

use std::convert::Infallible;
use std::time::Duration;

use fold::{DedupWindow, Fold};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::acknowledged;
use super::batch::Batcher;
use super::context::Context;
use super::lease;
use super::pacing::batch_size::BatchSize;
use super::pacing::limit::CatchUpLimit;
use super::pacing::limits::BatchLimits;
use super::pacing::slots::Slot;
use super::partitions::{PartitionState, Partitions};
use crate::read_models::checkpoint::{self, Checkpoint};
use crate::read_models::commit;
use crate::read_models::dedup_store;
use crate::read_models::halt::{self, Halt};
use crate::read_models::slice::Slice;
use crate::read_models::write::SliceWriter;
use error::PartitionError;
use event_log::error::{HistoryError, LogError};
use event_log::reader::{LogReader, REST_MAX};
use event_log::stream::Stream;
use isolation::Isolation;

/// Pauses between tries double from the first to the last.
const RETRY_PAUSE_FIRST: Duration = Duration::from_millis(50);
const RETRY_PAUSE_LAST: Duration = Duration::from_secs(2);

/// Interval at which a halted partition is tried again.
const HALT_PAUSE: Duration = Duration::from_secs(5);

/// Interval at which a partition is tried for that another projector has.
const STANDBY_PAUSE: Duration = Duration::from_millis(500);

/// Minimum pause between two batches that are not full. A commit costs what hundreds of events cost: under a steady
/// load they come together, and a lone event is still committed at once.
const PACE: Duration = Duration::from_millis(25);

/// Minimum pause as a multiple of the last commit's time, which spares a busy machine.
const PACE_COMMITS: u32 = 2;

/// Follows one partition of one generation.
pub(crate) struct PartitionWorker {
    pub(crate) context: Context,
    /// The fold that builds the generation.
    pub(crate) fold: Fold,
    pub(crate) slice: Slice,
    pub(crate) partitions: Partitions,
    /// Size of wide batches.
    pub(crate) wide: BatchSize,
    /// Size of ordinary batches.
    pub(crate) ordinary: BatchSize,
    pub(crate) isolation: Isolation,
}

/// What is known of the partition while it is owned.
struct Position {
    checkpoint: Checkpoint,
    window: DedupWindow,
    writer: SliceWriter,
    limit: CatchUpLimit,
}

/// What happened while the partition was owned once.
#[derive(Debug, Clone, Copy, Default)]
struct Term {
    epoch: Option<i64>,
    committed: bool,
}

impl PartitionWorker {
    /// Runs until `shutdown`. A batch that is being committed then is either in the read models or not: both are fine.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut pause = RETRY_PAUSE_FIRST;
        loop {
            let mut term = Term::default();
            let err = match self.partitions.claim(self.slice.partition) {
                None => Some(PartitionError::Standby),
                Some(given_back) => tokio::select! {
                    biased;
                    () = shutdown.cancelled() => None,
                    () = given_back.cancelled() => None,
                    Err(err) = self.follow(&mut term) => Some(err),
                },
            };
            self.partitions.unclaim(self.slice.partition);
            if term.committed {
                pause = RETRY_PAUSE_FIRST;
            }
            let wait = match err {
                None => {
                    self.give_back().await;
                    STANDBY_PAUSE
                }
                Some(err) => {
                    let err = self.explain(err, term).await;
                    let wait = match &err {
                        PartitionError::Standby | PartitionError::Fenced { .. } => STANDBY_PAUSE,
                        step if step.is_isolating() => Duration::ZERO,
                        lasting if lasting.is_lasting() => HALT_PAUSE,
                        _ => pause,
                    };
                    self.report(err);
                    wait
                }
            };
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = sleep(wait) => {}
            }
            pause = (pause * 2).min(RETRY_PAUSE_LAST);
        }
    }

    /// Takes the partition, and follows the log for as long as it is ours.
    async fn follow(&self, term: &mut Term) -> Result<Infallible, PartitionError> {
        let Context { pool, jetstream, window, instance, .. } = &self.context;
        let stream = Stream::find(jetstream, self.slice.partition).await?;
        checkpoint::create(pool, self.slice, stream.created).await.map_err(PartitionError::Checkpoint)?;
        let taken = lease::take(pool, self.slice, instance).await.map_err(PartitionError::Checkpoint)?;
        let checkpoint = taken.ok_or(PartitionError::Standby)?;
        term.epoch = Some(checkpoint.epoch);
        self.partitions.taken(self.slice.partition, checkpoint);
        let follow = async {
            let mut db = pool.acquire().await.map_err(PartitionError::Checkpoint)?;
            let recent = dedup_store::load(&mut db, self.slice, checkpoint, *window).await?;
            drop(db);
            let position = Position {
                checkpoint,
                window: recent,
                writer: SliceWriter::new(self.slice),
                limit: CatchUpLimit::new(pool.clone(), self.slice),
            };
            Box::pin(self.follow_from(stream, position, term)).await
        };
        tokio::select! {
            err = follow => err,
            err = self.keep_lease(checkpoint.epoch) => err,
        }
    }

    /// Reads on for as long as there is something to read; where something is in the way for long, with a new source.
    async fn follow_from(
        &self,
        mut stream: Stream,
        mut position: Position,
        term: &mut Term,
    ) -> Result<Infallible, PartitionError> {
        let Context { pool, jetstream, .. } = &self.context;
        let mut is_told = false;
        loop {
            let slot = self.wide_slot(&mut position, &stream).await?;
            let opened = LogReader::open(&stream, self.slice.consumer(), position.checkpoint.into()).await;
            let mut batcher = Batcher::new(self.recording_halts(opened, &stream).await?);
            halt::clear(pool, self.slice).await.map_err(PartitionError::Checkpoint)?;
            self.partitions.set(self.slice.partition, PartitionState::Following);
            if !std::mem::replace(&mut is_told, true) {
                tracing::info!(
                    partition = self.slice.partition.number(),
                    generation.id = self.slice.generation.0,
                    stream.sequence = position.checkpoint.sequence,
                    epoch = position.checkpoint.epoch,
                    recent.ids = position.window.len(),
                    "Following the log behind the checkpoint"
                );
            }
            let folded = self.fold(&mut batcher, &mut position, slot.as_ref(), term).await;
            self.recording_halts(folded, &stream).await?;
            drop((batcher, slot));
            sleep(position.limit.rest()).await;
            position.limit.wait_above(position.checkpoint.sequence).await.map_err(PartitionError::Checkpoint)?;
            stream = Stream::find(jetstream, self.slice.partition).await?;
        }
    }

    /// Waits for a slot to fold a wide batch, where one is due: where much is left that reports do not need yet.
    async fn wide_slot(&self, position: &mut Position, stream: &Stream) -> Result<Option<Slot>, PartitionError> {
        if !self.context.limits.may_be_wide {
            return Ok(None);
        }
        let Position { checkpoint, limit, .. } = position;
        if !limit.is_wide(checkpoint.sequence, stream.last_sequence()).await.map_err(PartitionError::Checkpoint)? {
            return Ok(None);
        }
        // Others fold meanwhile: waiting for them is no fault.
        self.partitions.hold(self.slice.partition, true);
        let Context { slots, pool, .. } = &self.context;
        if limit.is_paced() {
            return Ok(Some(slots.take_alone(pool).await.map_err(PartitionError::Checkpoint)?));
        }
        Ok(Some(slots.take(self.partitions.projectors()).await))
    }

    /// Leaves a note for `projector status` where a fault of history stops the partition.
    async fn recording_halts<T, E: Into<PartitionError>>(
        &self,
        result: Result<T, E>,
        stream: &Stream,
    ) -> Result<T, PartitionError> {
        let err = match result {
            Ok(value) => return Ok(value),
            Err(err) => err.into(),
        };
        if let PartitionError::Log(LogError::History(fault)) = &err {
            if let HistoryError::Gap { from, to } = *fault {
                let passed = acknowledged::pass(&self.context.pool, self.slice, stream, from..=to).await;
                if let Some(to) = passed.map_err(PartitionError::Checkpoint)? {
                    return Err(PartitionError::Passed { from, to });
                }
            }
            let halt =
                Halt { reason: fault.to_string(), resume_sequence: fault.resume_at(), stream_created: stream.created };
            halt::record(&self.context.pool, self.slice, &halt).await.map_err(PartitionError::Checkpoint)?;
        }
        Err(err)
    }

    /// Folds one wide batch, if there is a slot for it; or many of the ordinary width, until the limit, a commit or the
    /// pace is in the way for longer than a reader stays fresh without being read.
    async fn fold(
        &self,
        batcher: &mut Batcher,
        position: &mut Position,
        slot: Option<&Slot>,
        term: &mut Term,
    ) -> Result<(), PartitionError> {
        loop {
            let from = position.checkpoint;
            let until = match timeout(REST_MAX, position.limit.wait_above(from.sequence)).await {
                Ok(until) => until.map_err(PartitionError::Checkpoint)?,
                Err(_) => return Ok(()),
            };
            // What is built may rest for as long as it likes; what reports come from may not.
            self.partitions.hold(self.slice.partition, !position.limit.is_active());
            if self.isolation.is_found(from.sequence) {
                return Err(self.park_refused(batcher, position, term).await);
            }
            let until = self.isolation.until(from.sequence, until);
            let limits = self.limits(&position.limit, slot);
            let batch = batcher.next_batch(&self.fold, &mut position.window, limits, until).await?;
            let read_at = Instant::now();
            // What is built anew was traced when it was counted first.
            let span = if position.limit.is_active() { batcher.span(self.slice.partition) } else { None };
            let committed = commit::commit(&self.context.pool, &mut position.writer, from, &batch).await;
            commit::end_span(span, &batch, &committed);
            let width = if slot.is_some() { &self.wide } else { &self.ordinary };
            self.record_outcome(width, &batch, &committed, read_at.elapsed());
            position.checkpoint = committed?;
            let took = read_at.elapsed();
            term.committed = true;
            self.partitions.committed(self.slice.partition, &batch);
            position.limit.folded(batch.events());
            if slot.is_some() {
                // The next one is as wide, and adds to more than can be remembered.
                position.writer.forget();
                return Ok(());
            }
            sleep(position.limit.rest()).await;
            if !limits.are_reached_by(&batch) {
                sleep_until(read_at + PACE.max(took * PACE_COMMITS)).await;
            }
            if read_at.elapsed() > REST_MAX {
                return Ok(());
            }
        }
    }

    /// Limits of the next batch.
    fn limits(&self, limit: &CatchUpLimit, slot: Option<&Slot>) -> BatchLimits {
        match slot {
            Some(_) => limit.wide_limits(self.wide.wide_limits()),
            None => self.ordinary.limits(limit.limits(self.context.limits)),
        }
    }
}
