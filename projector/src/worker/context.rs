//! What all tasks of a projector share: connections, identity, limits.

use anyhow::{Context as _, ensure};
use contract::SketchKey;
use fold::{Fold, FoldVersion, WindowSeconds};
use sqlx::PgPool;

use super::bootstrap::{self, Abilities};
use super::lease::Instance;
use super::pacing::limits::Limits;
use super::pacing::slots::Turns;
use super::partition::Parts;
use crate::config::Config;
use crate::log::connect::{self, Log};
use crate::read_models::generation::{self, Generation, Identity};

/// What a projector works with.
#[derive(Clone)]
pub(crate) struct Workshop {
    /// The read models.
    pub(crate) pool: PgPool,
    /// The log.
    pub(crate) jetstream: Log,
    /// This run of this projector.
    pub(crate) instance: Instance,
    /// How long event ids are remembered.
    pub(crate) window: WindowSeconds,
    /// The secret under which users are counted.
    pub(crate) key: SketchKey,
    /// What it can build.
    pub(crate) abilities: Abilities,
    /// Bounds of one batch.
    pub(crate) limits: Limits,
    /// Who may fold a wide batch now, of all generations.
    pub(crate) turns: Turns,
}

impl Workshop {
    /// The active one of these, if it can be folded here.
    ///
    /// # Errors
    ///
    /// There is none, or it was built with another fold, key or window.
    pub(crate) fn active<'a>(&self, generations: &'a [Generation]) -> anyhow::Result<&'a Generation> {
        let active = generation::active(generations).context("there is no active generation")?;
        ensure!(
            self.abilities.include(&active.identity),
            "the active generation is {}, this is {}: run it with the fold, key and window that the read models were built \
             with",
            active.identity,
            self.abilities.newest
        );
        Ok(active)
    }
}

impl Workshop {
    /// What is set from outside, and connections to the log, made in the background.
    ///
    /// # Errors
    ///
    /// A setting cannot be used.
    pub(crate) async fn open(config: &Config, pool: PgPool) -> anyhow::Result<Self> {
        let (key, window) = (config.key(), config.window()?);
        let fold_version = config.newest_fold()?.number();
        let newest = Identity { fold_version, key: key.id(), event_id_window_s: window.get() };
        Ok(Self {
            pool,
            jetstream: connect::connect(config).await?,
            instance: Instance::new(config.lease()?),
            window,
            key,
            abilities: Abilities { oldest_fold: FoldVersion::OLDEST.number(), newest },
            limits: Limits::ordinary(config.batch_events_max),
            turns: Turns::default(),
        })
    }

    /// A database that was emptied, or restored to a state from before the first generation, is filled again from the
    /// log, as an empty one is at the start.
    pub(crate) async fn begin_anew(&self) {
        tracing::warn!("The database has no active generation any more: beginning anew");
        if let Err(err) = bootstrap::settle(&self.pool, self.abilities).await {
            tracing::warn!(error = %err, "Cannot begin a generation");
        }
    }

    /// The fold of a generation that can be built here.
    pub(crate) fn fold(&self, generation: &Generation) -> Fold {
        let version = FoldVersion::try_from(generation.identity.fold_version);
        Fold::of_version(self.key.clone(), version.expect("our abilities include it"))
    }

    /// What the partitions of a generation work with.
    pub(crate) fn parts(&self, generation: &Generation) -> Parts {
        Parts {
            pool: self.pool.clone(),
            jetstream: self.jetstream.clone(),
            instance: self.instance.clone(),
            generation: generation.id,
            window: self.window,
            fold: self.fold(generation),
            turns: self.turns.clone(),
        }
    }
}
