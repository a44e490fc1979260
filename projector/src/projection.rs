//! One partition, from its checkpoint on: read a batch, commit it, over and over. Whatever fails, begin again at the
//! checkpoint that Postgres has.

use std::convert::Infallible;
use std::time::Duration;

use async_nats::jetstream;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::checkpoint::{self, Slice};
use crate::commit::{self, Batch, CommitError};
use crate::config::Limits;
use crate::deltas::Fold;
use crate::generation::GenerationId;
use crate::partitions::{PartitionState, Partitions};
use crate::recent::{self, RecentError};
use crate::repeats::WindowSeconds;
use crate::source::{SourceError, Stream};

/// Pauses between tries double from the first to the last.
const RETRY_PAUSE_FIRST: Duration = Duration::from_millis(50);
const RETRY_PAUSE_LAST: Duration = Duration::from_secs(2);

/// Between two looks at a partition that stands still until somebody does something.
const HALT_PAUSE: Duration = Duration::from_secs(5);

/// What every partition of a generation works with.
#[derive(Clone)]
pub struct Parts {
    /// The read models.
    pub pool: PgPool,
    /// The log.
    pub jetstream: jetstream::Context,
    /// The set of read models that is built.
    pub generation: GenerationId,
    /// How long event ids are remembered.
    pub window: WindowSeconds,
    /// The fold that builds it.
    pub fold: Fold,
}

/// One partition's way through the log.
pub(crate) struct Projection {
    pub(crate) parts: Parts,
    pub(crate) slice: Slice,
    pub(crate) limits: Limits,
    pub(crate) partitions: Partitions,
}

/// Why the way was left.
#[derive(Debug, thiserror::Error)]
enum Stumble {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error(transparent)]
    Recent(#[from] RecentError),
    #[error("loading the checkpoint")]
    Checkpoint(#[source] sqlx::Error),
}

impl Stumble {
    /// It stays until somebody does something.
    fn is_lasting(&self) -> bool {
        matches!(
            self,
            Self::Source(SourceError::History(_))
                | Self::Commit(CommitError::Sketch(_))
                | Self::Recent(RecentError::Corrupt(_))
        )
    }

    fn is_progress_of_another(&self) -> bool {
        matches!(self, Self::Commit(CommitError::Moved(_)))
    }
}

impl Projection {
    /// Runs until `shutdown`. A batch that is being committed then is either in the read models or not: both are fine.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut pause = RETRY_PAUSE_FIRST;
        loop {
            let mut committed = false;
            let stumble = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                Err(stumble) = self.follow(&mut committed) => stumble,
            };
            if committed || stumble.is_progress_of_another() {
                pause = RETRY_PAUSE_FIRST;
            }
            let wait = if stumble.is_lasting() { HALT_PAUSE } else { pause };
            self.tell(stumble);
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
            pause = (pause * 2).min(RETRY_PAUSE_LAST);
        }
    }

    async fn follow(&self, committed: &mut bool) -> Result<Infallible, Stumble> {
        let Parts { pool, jetstream, fold, window, .. } = &self.parts;
        let stream = Stream::find(jetstream, self.slice.partition).await?;
        let loaded = checkpoint::load_or_create(pool, self.slice, stream.created).await;
        let mut checkpoint = loaded.map_err(Stumble::Checkpoint)?;
        let mut recent = recent::load(pool, self.slice, checkpoint, *window).await?;
        let mut source = stream.open(self.slice, checkpoint).await?;
        self.partitions.set(self.slice.partition, PartitionState::Following);
        tracing::info!(
            partition = self.slice.partition.number(),
            generation.id = self.slice.generation.0,
            stream.sequence = checkpoint.sequence,
            "Following the log behind the checkpoint"
        );
        loop {
            let batch = source.next_batch(fold, &mut recent, self.limits).await?;
            checkpoint = commit::commit(pool, self.slice, checkpoint, &batch).await?;
            *committed = true;
            self.count(&batch);
        }
    }

    /// Logs a stumble once, where it is dealt with.
    fn tell(&self, stumble: Stumble) {
        let partition = self.slice.partition;
        let is_lasting = stumble.is_lasting();
        let is_race = stumble.is_progress_of_another();
        let reason = format!("{:#}", anyhow::Error::new(stumble));
        let number = partition.number();
        if is_lasting {
            if self.partitions.set(partition, PartitionState::Halted(reason.clone())) {
                tracing::error!(partition = number, reason, "The partition stands still until somebody helps");
            }
        } else if is_race {
            tracing::info!(partition = number, reason, "Another projector was faster");
        } else if self.partitions.set(partition, PartitionState::Waiting(reason.clone())) {
            tracing::warn!(partition = number, reason, "Opening the partition again at its checkpoint");
        }
    }

    fn count(&self, batch: &Batch) {
        let partition = [("partition", self.slice.partition.to_string())];
        metrics::counter!("projector_events_total", &partition).increment(batch.deltas.events);
        metrics::counter!("projector_parked_events_total", &partition).increment(batch.deltas.parked.len() as u64);
        let repeats = batch.deltas.repeats.values().sum();
        metrics::counter!("projector_repeats_total", &partition).increment(repeats);
        metrics::counter!("projector_batches_total", &partition).increment(1);
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        metrics::gauge!("projector_pending_envelopes", &partition).set(batch.pending as f64);
    }
}
