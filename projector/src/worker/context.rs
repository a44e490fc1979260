//! What all tasks of a projector share: connections, identity, limits.

use anyhow::{Context as _, ensure};
use contract::SketchKey;
use fold::{Fold, FoldVersion, WindowSeconds};
use sqlx::PgPool;

use super::bootstrap::{self, SupportedFolds};
use super::lease::Instance;
use super::pacing::limits::BatchLimits;
use super::pacing::slots::Slots;
use crate::config::Config;
use crate::read_models::generation::{self, Generation, Identity};
use event_log::connect::{self, Log};

/// Connections, identity and limits that all tasks share.
#[derive(Clone)]
pub(crate) struct Context {
    /// The read models.
    pub(crate) pool: PgPool,
    /// The log.
    pub(crate) jetstream: Log,
    /// Identity of this run of the projector.
    pub(crate) instance: Instance,
    /// How long event ids are remembered.
    pub(crate) window: WindowSeconds,
    /// The secret under which users are counted.
    pub(crate) key: SketchKey,
    /// What it can build.
    pub(crate) supported: SupportedFolds,
    /// Bounds of one batch.
    pub(crate) limits: BatchLimits,
    /// Slots for wide batches, of all generations.
    pub(crate) slots: Slots,
}

impl Context {
    /// The active one of these, if it can be folded here.
    ///
    /// # Errors
    ///
    /// There is none, or it was built with another fold, key or window.
    pub(crate) fn active<'a>(&self, generations: &'a [Generation]) -> anyhow::Result<&'a Generation> {
        let active = generation::active(generations).context("there is no active generation")?;
        ensure!(
            self.supported.include(&active.identity),
            "the active generation is {}, this is {}: run it with the fold, key and window that the read models were built \
             with",
            active.identity,
            self.supported.newest
        );
        Ok(active)
    }
}

impl Context {
    /// What is set from outside, and connections to the log, made in the background.
    pub(crate) async fn open(config: &Config, pool: PgPool) -> anyhow::Result<Self> {
        let (key, window) = (config.key(), config.window()?);
        let fold_version = config.newest_fold()?.number();
        let newest = Identity { fold_version, key: key.id(), event_id_window_s: window.get() };
        Ok(Self {
            pool,
            jetstream: connect::connect(&config.log_access()).await?,
            instance: Instance::new(config.lease()?),
            window,
            key,
            supported: SupportedFolds { oldest_fold: FoldVersion::OLDEST.number(), newest },
            limits: BatchLimits::ordinary(config.batch_events_max),
            slots: Slots::default(),
        })
    }

    /// A database that was emptied, or restored to a state from before the first generation, is filled again from the
    /// log, as an empty one is at the start.
    pub(crate) async fn begin_anew(&self) {
        tracing::warn!("The database has no active generation any more: beginning anew");
        if let Err(err) = bootstrap::ensure_generation(&self.pool, self.supported).await {
            tracing::warn!(error = %err, "Cannot begin a generation");
        }
    }

    /// The fold of a generation that can be built here.
    pub(crate) fn fold(&self, generation: &Generation) -> Fold {
        let version = FoldVersion::try_from(generation.identity.fold_version);
        Fold::of_version(self.key.clone(), version.expect("our abilities include it"))
    }
}
