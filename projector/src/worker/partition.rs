//! One partition, from its checkpoint on: read a batch, commit it, over and over. Whatever fails, begin again at the
//! checkpoint that Postgres has.

/// Why it stops on its way.
mod error;

/// What becomes of batches that are not committed.
mod setbacks;

/// Bisection for the event that Postgres refuses.
pub(crate) mod isolation;

use std::convert::Infallible;
use std::time::Duration;

use chrono::{DateTime, Utc};
use fold::{Fold, RecentIds, WindowSeconds};
use sqlx::PgPool;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::batch::Batcher;
use super::lease::{self, Instance};
use super::pacing::batch_size::Width;
use super::pacing::limit::Ceiling;
use super::pacing::limits::Limits;
use super::pacing::slots::{Turn, Turns};
use super::partitions::{PartitionState, Partitions};
use crate::log::connect::Log;
use crate::log::error::{HistoryError, SourceError};
use crate::log::reader::{LogReader, REST_MAX};
use crate::log::stream::Stream;
use crate::read_models::checkpoint::{self, Checkpoint, Halt, Moved, Slice};
use crate::read_models::commit;
use crate::read_models::dedup_store;
use crate::read_models::error::CommitError;
use crate::read_models::generation::GenerationId;
use crate::read_models::write::Known;
use error::Stumble;
use isolation::Isolation;

/// Pauses between tries double from the first to the last.
const RETRY_PAUSE_FIRST: Duration = Duration::from_millis(50);
const RETRY_PAUSE_LAST: Duration = Duration::from_secs(2);

/// Between two looks at a partition that stands still until somebody does something.
const HALT_PAUSE: Duration = Duration::from_secs(5);

/// Between two tries to take a partition that another projector has.
const STANDBY_PAUSE: Duration = Duration::from_millis(500);

/// Between two batches that are not full. A commit costs what hundreds of events cost: under a steady load they come
/// together, and a lone event still finds nobody resting.
const PACE: Duration = Duration::from_millis(25);

/// Or so many times as long as a commit takes, where that is more: on a machine that is busy, others get on sooner.
const PACE_COMMITS: u32 = 2;

/// At the end, for giving a partition back.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(2);

/// What every partition of a generation works with.
#[derive(Clone)]
pub(crate) struct Parts {
    /// The read models.
    pub(crate) pool: PgPool,
    /// The log.
    pub(crate) jetstream: Log,
    /// This run of this projector.
    pub(crate) instance: Instance,
    /// The set of read models that is built.
    pub(crate) generation: GenerationId,
    /// How long event ids are remembered.
    pub(crate) window: WindowSeconds,
    /// The fold that builds it.
    pub(crate) fold: Fold,
    /// Who may fold a wide batch now.
    pub(crate) turns: Turns,
}

/// One partition's way through the log.
pub(crate) struct Projection {
    pub(crate) parts: Parts,
    pub(crate) slice: Slice,
    pub(crate) limits: Limits,
    pub(crate) partitions: Partitions,
    /// Of batches that nobody looks at yet, and of others.
    pub(crate) wide: Width,
    pub(crate) ordinary: Width,
    pub(crate) isolation: Isolation,
}

/// What became of one time as the owner.
#[derive(Debug, Clone, Copy, Default)]
struct Tenure {
    epoch: Option<i64>,
    committed: bool,
}

impl Projection {
    /// Runs until `shutdown`. A batch that is being committed then is either in the read models or not: both are fine.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut pause = RETRY_PAUSE_FIRST;
        loop {
            let mut tenure = Tenure::default();
            let stumble = match self.partitions.claim(self.slice.partition) {
                None => Some(Stumble::Standby),
                Some(given_back) => tokio::select! {
                    biased;
                    () = shutdown.cancelled() => None,
                    () = given_back.cancelled() => None,
                    Err(stumble) = self.follow(&mut tenure) => Some(stumble),
                },
            };
            self.partitions.unclaim(self.slice.partition);
            if tenure.committed {
                pause = RETRY_PAUSE_FIRST;
            }
            let wait = match stumble {
                None => {
                    self.give_back().await;
                    STANDBY_PAUSE
                }
                Some(stumble) => {
                    let stumble = self.explained(stumble, tenure).await;
                    let wait = match &stumble {
                        Stumble::Standby | Stumble::Fenced { .. } => STANDBY_PAUSE,
                        step if step.is_isolating() => Duration::ZERO,
                        lasting if lasting.is_lasting() => HALT_PAUSE,
                        _ => pause,
                    };
                    self.tell(stumble);
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
    async fn follow(&self, tenure: &mut Tenure) -> Result<Infallible, Stumble> {
        let Parts { pool, jetstream, window, instance, .. } = &self.parts;
        let stream = Stream::find(jetstream, self.slice.partition).await?;
        checkpoint::create(pool, self.slice, stream.created).await.map_err(Stumble::Checkpoint)?;
        let taken = lease::take(pool, self.slice, instance).await.map_err(Stumble::Checkpoint)?;
        let checkpoint = taken.ok_or(Stumble::Standby)?;
        tenure.epoch = Some(checkpoint.epoch);
        self.partitions.taken(self.slice.partition, checkpoint);
        let follow = async {
            let mut db = pool.acquire().await.map_err(Stumble::Checkpoint)?;
            let recent = dedup_store::load(&mut db, self.slice, checkpoint, *window).await?;
            drop(db);
            Box::pin(self.follow_from(stream, checkpoint, recent, tenure)).await
        };
        tokio::select! {
            stumble = follow => stumble,
            stumble = self.keep_lease(checkpoint.epoch) => stumble,
        }
    }

    /// Reads on for as long as there is something to read; where something is in the way for long, with a new source.
    async fn follow_from(
        &self,
        mut stream: Stream,
        mut checkpoint: Checkpoint,
        mut recent: RecentIds,
        tenure: &mut Tenure,
    ) -> Result<Infallible, Stumble> {
        let Parts { pool, jetstream, .. } = &self.parts;
        let mut ceiling = Ceiling::new(pool.clone(), self.slice);
        let mut known = Known::default();
        let mut is_told = false;
        loop {
            let turn = self.turn(&mut ceiling, checkpoint, &stream).await?;
            let opened = LogReader::open(&stream, self.slice.consumer(), checkpoint.into()).await;
            let mut source = Batcher::new(self.noting_halts(opened, stream.created).await?);
            checkpoint::clear_halt(pool, self.slice).await.map_err(Stumble::Checkpoint)?;
            self.partitions.set(self.slice.partition, PartitionState::Following);
            if !std::mem::replace(&mut is_told, true) {
                tracing::info!(
                    partition = self.slice.partition.number(),
                    generation.id = self.slice.generation.0,
                    stream.sequence = checkpoint.sequence,
                    epoch = checkpoint.epoch,
                    recent.ids = recent.len(),
                    "Following the log behind the checkpoint"
                );
            }
            let folded = self
                .fold(&mut source, (&mut recent, &mut known), checkpoint, (&mut ceiling, turn.is_some()), tenure)
                .await;
            checkpoint = self.noting_halts(folded, stream.created).await?;
            drop((source, turn));
            sleep(ceiling.rest()).await;
            ceiling.wait_above(checkpoint.sequence).await.map_err(Stumble::Checkpoint)?;
            stream = Stream::find(jetstream, self.slice.partition).await?;
        }
    }

    /// Waits for its turn to fold a wide batch, where one is due: where much is left that nobody looks at yet.
    async fn turn(&self, ceiling: &mut Ceiling, from: Checkpoint, stream: &Stream) -> Result<Option<Turn>, Stumble> {
        if !self.limits.may_be_wide {
            return Ok(None);
        }
        if !ceiling.is_wide(from.sequence, stream.last_sequence()).await.map_err(Stumble::Checkpoint)? {
            return Ok(None);
        }
        // Others fold meanwhile: waiting for them is no fault.
        self.partitions.hold(self.slice.partition, true);
        let Parts { turns, pool, .. } = &self.parts;
        if ceiling.is_paced() {
            return Ok(Some(turns.take_alone(pool).await.map_err(Stumble::Checkpoint)?));
        }
        Ok(Some(turns.take(self.partitions.projectors()).await))
    }

    /// Leaves a note for `projector status` where a fault of history stops the partition.
    async fn noting_halts<T, E: Into<Stumble>>(
        &self,
        result: Result<T, E>,
        created: DateTime<Utc>,
    ) -> Result<T, Stumble> {
        let stumble = match result {
            Ok(value) => return Ok(value),
            Err(err) => err.into(),
        };
        if let Stumble::Source(SourceError::History(fault)) = &stumble {
            if let HistoryError::Gap { from, to } = *fault {
                let passed = checkpoint::pass_acknowledged(&self.parts.pool, self.slice, created, from..=to).await;
                if passed.map_err(Stumble::Checkpoint)? {
                    return Err(Stumble::Passed { from, to });
                }
            }
            let halt = Halt { reason: fault.to_string(), resume_sequence: fault.resume_at(), stream_created: created };
            checkpoint::record_halt(&self.parts.pool, self.slice, &halt).await.map_err(Stumble::Checkpoint)?;
        }
        Err(stumble)
    }

    /// Folds one wide batch; or many of the ordinary width, until the ceiling, a commit or the pace is in the way for
    /// longer than a source stays fresh without being read.
    async fn fold(
        &self,
        source: &mut Batcher,
        (recent, known): (&mut RecentIds, &mut Known),
        mut checkpoint: Checkpoint,
        (ceiling, is_wide): (&mut Ceiling, bool),
        tenure: &mut Tenure,
    ) -> Result<Checkpoint, Stumble> {
        loop {
            let until = match timeout(REST_MAX, ceiling.wait_above(checkpoint.sequence)).await {
                Ok(until) => until.map_err(Stumble::Checkpoint)?,
                Err(_) => return Ok(checkpoint),
            };
            // What is built may rest for as long as it likes; what reports come from may not.
            self.partitions.hold(self.slice.partition, !ceiling.is_active());
            if self.isolation.is_found(checkpoint.sequence) {
                return Err(self.park_refused(source, recent, checkpoint, tenure).await);
            }
            let until = self.isolation.until(checkpoint.sequence, until);
            let (width, limits) = if is_wide {
                (&self.wide, ceiling.wide_limits(self.wide.wide_limits()))
            } else {
                (&self.ordinary, self.ordinary.limits(ceiling.limits(self.limits)))
            };
            let batch = source.next_batch(&self.parts.fold, recent, limits, until).await?;
            let read_at = Instant::now();
            let is_full = limits.are_reached_by(&batch);
            // What is built anew was traced when it was counted first.
            let span = if ceiling.is_active() { source.span(self.slice.partition) } else { None };
            let committed = commit::commit(&self.parts.pool, (self.slice, known), checkpoint, &batch).await;
            commit::end(span, &batch, &committed);
            self.note_committed(width, &batch, (&committed, read_at.elapsed()));
            checkpoint = committed?;
            let took = read_at.elapsed();
            tenure.committed = true;
            self.partitions.committed(self.slice.partition, &batch);
            ceiling.folded(batch.events());
            if is_wide {
                // The next one is as wide, and adds to more than can be remembered.
                *known = Known::default();
                return Ok(checkpoint);
            }
            sleep(ceiling.rest()).await;
            if !is_full {
                sleep_until(read_at + PACE.max(took * PACE_COMMITS)).await;
            }
            if read_at.elapsed() > REST_MAX {
                return Ok(checkpoint);
            }
        }
    }

    /// Renews the lease until it is not ours any more. A database that is away is no reason: nobody else can take the
    /// partition there either.
    async fn keep_lease(&self, epoch: i64) -> Result<Infallible, Stumble> {
        loop {
            sleep(self.parts.instance.renew_pause()).await;
            if let Ok(false) = lease::renew(&self.parts.pool, self.slice, &self.parts.instance, epoch).await {
                return Err(CommitError::Moved(Moved { epoch }).into());
            }
        }
    }

    /// Lets another projector go on at once. Where that fails, the lease runs out by itself.
    async fn give_back(&self) {
        let released = lease::release(&self.parts.pool, self.slice, &self.parts.instance);
        if let Ok(Ok(())) = timeout(RELEASE_TIMEOUT, released).await {
            tracing::info!(partition = self.slice.partition.number(), "Gave the partition back");
        }
        self.partitions.set(self.slice.partition, PartitionState::Standby);
    }
}
