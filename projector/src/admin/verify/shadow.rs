//! The generation that a verification builds, unseen by projectors and query: folded in this process, exactly as far as it is
//! wanted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use fold::{DedupState, DedupWindow, Fold};
use sqlx::{Connection, PgConnection, PgPool};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::dedup;
use crate::read_models::checkpoint::{self, Checkpoint};
use crate::read_models::commit::{Batch, commit};
use crate::read_models::commit_lines::commit_lines;
use crate::read_models::dedup_store;
use crate::read_models::error::CommitError;
use crate::read_models::generation::{self, GenerationId, Identity, Status};
use crate::read_models::slice::Slice;
use crate::read_models::write::SliceWriter;
use crate::worker::acknowledged;
use crate::worker::batch::Batcher;
use crate::worker::context::Context;
use crate::worker::lease;
use crate::worker::pacing::limits::BatchLimits;
use crate::worker::partition::isolation::Isolation;
use event_log::error::{HistoryError, LogError};
use event_log::reader::{LogReader, REST_MAX};
use event_log::stream::Stream;

/// Tries to go on after a fault: the log or the database may restart meanwhile.
const TRIES_MAX: u32 = 20;

/// Between two of them.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// After a fault, until Postgres has let go of the checkpoint: twice the 30 s of a statement, which a backend finishes although
/// its client has gone.
const RELOAD_MAX: Duration = Duration::from_mins(1);

/// Between two signs of life, which keep others from clearing it away.
const SIGN_PAUSE: Duration = Duration::from_secs(5);

/// Bytes of the deltas in all batches at once.
const BYTES_MAX: usize = 64 << 20;

/// A generation of our own.
pub(crate) struct Shadow {
    pub(crate) id: GenerationId,
    partitions: Vec<ShadowPartition>,
    counts: Counts,
}

/// How much was folded.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    pub(crate) envelopes: Arc<AtomicU64>,
    pub(crate) events: Arc<AtomicU64>,
}

/// One partition of it.
struct ShadowPartition {
    context: Context,
    fold: Fold,
    slice: Slice,
    checkpoint: Checkpoint,
    recent: DedupWindow,
    isolation: Isolation,
    counts: Counts,
}

impl Shadow {
    /// Makes it, empty.
    pub(crate) async fn make(context: &Context, identity: Identity) -> anyhow::Result<Self> {
        let mut db = context.pool.acquire().await?;
        let mut tx = db.begin().await?;
        let id = generation::create(&mut tx, identity, Status::Scratch).await?;
        tx.commit().await?;
        Ok(Self { id, partitions: Vec::new(), counts: Counts::default() })
    }

    /// Says again and again that it is used. Ends only where the database has gone.
    pub(crate) async fn keep(context: &Context, id: GenerationId) -> sqlx::Error {
        let mut faults = 0;
        loop {
            match lease::sign_of_life(&context.pool, &context.instance, id).await {
                Ok(_) => faults = 0,
                Err(err) if faults == TRIES_MAX => return err,
                Err(_) => faults += 1,
            }
            sleep(SIGN_PAUSE).await;
        }
    }

    /// Takes a partition up.
    pub(crate) async fn add_partition(&mut self, context: &Context, fold: &Fold, slice: Slice) -> anyhow::Result<()> {
        let stream = Stream::find(&context.jetstream, slice.partition).await?;
        checkpoint::create(&context.pool, slice, stream.created).await?;
        let taken = lease::take(&context.pool, slice, &context.instance).await?;
        let checkpoint = taken.context("another process has the scratch generation")?;
        self.partitions.push(ShadowPartition {
            context: context.clone(),
            fold: fold.clone(),
            slice,
            checkpoint,
            recent: DedupWindow::new(context.window, DedupState::default()),
            isolation: Isolation::default(),
            counts: self.counts.clone(),
        });
        Ok(())
    }

    /// How much was folded, while it is.
    pub(crate) fn counts(&self) -> Counts {
        self.counts.clone()
    }

    /// Folds every partition exactly as far as `until` says, all at once.
    pub(crate) async fn fold(&mut self, until: impl Fn(Slice) -> u64) -> anyhow::Result<()> {
        let mut tasks = JoinSet::new();
        let limits = BatchLimits::wide(BYTES_MAX / self.partitions.len().max(1));
        for mut partition in std::mem::take(&mut self.partitions) {
            let until = until(partition.slice);
            tasks.spawn(async move { partition.fold(until, limits).await.map(|()| partition) });
        }
        while let Some(folded) = tasks.join_next().await {
            self.partitions.push(folded.context("a partition's task")??);
        }
        Ok(())
    }

    /// Partitions where another generation remembers other event ids than this one, at the same place.
    pub(crate) async fn other_ids(&self, db: &mut PgConnection, other: GenerationId) -> anyhow::Result<Vec<String>> {
        let mut differences = Vec::new();
        for ShadowPartition { context, slice, recent, .. } in &self.partitions {
            let slice = Slice { generation: other, ..*slice };
            if !dedup::matches(db, slice, context.window, recent).await? {
                differences.push(dedup::difference(slice.partition));
            }
        }
        Ok(differences)
    }

    /// Drops it.
    pub(crate) async fn drop(self, pool: &PgPool) -> sqlx::Result<()> {
        generation::drop(&mut *pool.acquire().await?, self.id).await
    }
}

impl Counts {
    fn add(&self, batch: &Batch) {
        self.envelopes.fetch_add(batch.envelopes, Ordering::Relaxed);
        self.events.fetch_add(batch.events(), Ordering::Relaxed);
    }
}

impl ShadowPartition {
    async fn fold(&mut self, until: u64, mut limits: BatchLimits) -> anyhow::Result<()> {
        let (mut tries, mut at) = (0, self.checkpoint.sequence);
        while let Err(fault) = self.try_fold(until, limits).await {
            if self.checkpoint.sequence > at {
                (tries, at) = (0, self.checkpoint.sequence);
            }
            match fault.downcast_ref() {
                Some(CommitError::Refused(_)) => {
                    self.reload().await?;
                    continue;
                }
                // One that was too wide is too wide the next time.
                Some(CommitError::Timeout | CommitError::Database(_)) => limits.batch_bytes_max /= 2,
                _ => {}
            }
            if let Some(LogError::History(history)) = fault.downcast_ref() {
                self.pass(history).await?;
            }
            tries += 1;
            ensure!(tries < TRIES_MAX, fault.context(format!("folding partition {}", self.slice.partition)));
            sleep(RETRY_PAUSE).await;
            self.reload().await?;
        }
        Ok(())
    }

    async fn try_fold(&mut self, until: u64, limits: BatchLimits) -> anyhow::Result<()> {
        let Context { pool, jetstream, .. } = &self.context.clone();
        loop {
            let stream = Stream::find(jetstream, self.slice.partition).await?;
            // A checkpoint beyond the end is told of elsewhere; nothing would come that could be waited for.
            let until = until.min(stream.last_sequence());
            if self.checkpoint.sequence >= until {
                return Ok(());
            }
            let mut batcher =
                Batcher::new(LogReader::open(&stream, self.slice.consumer(), self.checkpoint.into()).await?);
            let mut read_at = Instant::now();
            while self.checkpoint.sequence < until && read_at.elapsed() < REST_MAX {
                if self.isolation.is_found(self.checkpoint.sequence) {
                    self.park_refused(&mut batcher).await?;
                    break;
                }
                let until = self.isolation.until(self.checkpoint.sequence, until);
                let batch = batcher.next_batch(&self.fold, &mut self.recent, limits, until).await?;
                read_at = Instant::now();
                let committed = commit(pool, &mut SliceWriter::new(self.slice), self.checkpoint, &batch).await;
                match &committed {
                    Ok(_) => self.isolation.committed(batch.last_sequence),
                    Err(CommitError::Refused(_)) => self.isolation.refused(batch.last_sequence),
                    Err(_) => {}
                }
                self.checkpoint = committed?;
                self.counts.add(&batch);
            }
        }
    }

    /// Parks what Postgres refuses of the envelope behind the checkpoint.
    async fn park_refused(&mut self, batcher: &mut Batcher) -> anyhow::Result<()> {
        let Context { pool, window, .. } = &self.context;
        let lines = batcher.next_lines(&self.fold, &mut self.recent).await?;
        let isolated = commit_lines(pool, self.slice, self.checkpoint, lines).await?;
        self.isolation.parked();
        self.checkpoint = isolated.checkpoint;
        self.counts.add(&isolated.batch);
        // Nothing is remembered of ids that were not counted.
        self.recent = dedup_store::load(&mut *pool.acquire().await?, self.slice, self.checkpoint, *window).await?;
        Ok(())
    }

    /// Passes a gap that an operator has acknowledged; nothing else of another history passes by itself.
    async fn pass(&self, fault: &HistoryError) -> anyhow::Result<()> {
        let HistoryError::Gap { from, to } = *fault else { bail!(fault.clone()) };
        let Context { pool, jetstream, .. } = &self.context;
        let stream = Stream::find(jetstream, self.slice.partition).await?;
        let passed = acknowledged::pass(pool, self.slice, &stream, from..=to).await?;
        ensure!(passed.is_some(), fault.clone());
        Ok(())
    }

    /// Forgets what was folded but not committed. Before that nothing may be folded again: its ids are noted, and it would
    /// be taken for repeats of itself.
    async fn reload(&mut self) -> anyhow::Result<()> {
        let begun = Instant::now();
        while let Err(fault) = self.try_reload().await {
            let doing = || format!("reading the checkpoint of partition {} again", self.slice.partition);
            ensure!(begun.elapsed() < RELOAD_MAX, fault.context(doing()));
            sleep(RETRY_PAUSE).await;
        }
        Ok(())
    }

    async fn try_reload(&mut self) -> anyhow::Result<()> {
        let Context { pool, instance, window, .. } = &self.context;
        let taken = lease::take(pool, self.slice, instance).await?;
        let checkpoint = taken.context("a transaction that was given up still holds it")?;
        let recent = dedup_store::load(&mut *pool.acquire().await?, self.slice, checkpoint, *window).await?;
        (self.checkpoint, self.recent) = (checkpoint, recent);
        Ok(())
    }
}
