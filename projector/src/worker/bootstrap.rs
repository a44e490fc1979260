//! Which generations this projector builds: those of its key and its window whose fold it knows. Where the newest fold
//! it knows has no generation yet, it begins one: so a new fold is rolled out by deploying it.

use std::ops::RangeInclusive;
use std::time::Duration;

use database::{Unfit, Use};
use sqlx::error::DatabaseError;
use sqlx::{Connection, PgPool};
use tokio_util::sync::CancellationToken;

use crate::read_models::generation::{self, Generation, Identity, Status};
use crate::read_models::migrate;

/// Between two looks at a database that is away or has no schema yet.
const WAIT_PAUSE: Duration = Duration::from_secs(1);

/// What a projector can build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SupportedFolds {
    /// The oldest fold that it knows.
    pub(crate) oldest_fold: i32,
    /// The newest one, under its key and window.
    pub(crate) newest: Identity,
}

/// Why there is nothing to build.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BootstrapError {
    /// There are read models, but of another key or window. Adding to them would spoil them.
    #[error(
        "the read models were built by {found}, this projector is {ours}: give it the SKETCH_KEY and the \
         EVENT_ID_WINDOW_S they were built with, or build new ones under these with `projector rebuild`"
    )]
    Other {
        /// What built them.
        found: Identity,
        /// What we are.
        ours: Identity,
    },
    /// The database cannot be worked with, whatever is in it.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The migrations of this version are not applied.
    #[error("the schema is not in place; run `projector migrate`")]
    NoSchema,
    /// Postgres says no, or nothing.
    #[error("looking for the generation")]
    Database(#[from] sqlx::Error),
}

impl SupportedFolds {
    fn folds(&self) -> RangeInclusive<i32> {
        self.oldest_fold..=self.newest.fold_version
    }

    /// Whether such a generation can be built here.
    pub(crate) fn include(&self, identity: &Identity) -> bool {
        identity.has_settings_of(&self.newest) && self.folds().contains(&identity.fold_version)
    }
}

/// Waits for the database, and sees to it that there is something to build; `false` if the process is to stop before.
///
/// # Errors
///
/// Waiting would not help.
pub(crate) async fn wait_for_generation(
    pool: &PgPool,
    ours: SupportedFolds,
    shutdown: &CancellationToken,
) -> Result<bool, BootstrapError> {
    let mut said = String::new();
    loop {
        let lack = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(false),
            settled = ensure_fit(pool, ours) => match settled {
                Ok(()) => return Ok(true),
                Err(lasting) if lasting.is_lasting() => return Err(lasting),
                Err(lack) => lack,
            },
        };
        let lack = format!("{:#}", anyhow::Error::new(lack));
        if lack != said {
            tracing::warn!(reason = lack, "Waiting for the database");
            said = lack;
        }
        tokio::select! {
            () = shutdown.cancelled() => return Ok(false),
            () = tokio::time::sleep(WAIT_PAUSE) => {}
        }
    }
}

impl BootstrapError {
    /// Whether waiting does not help.
    fn is_lasting(&self) -> bool {
        match self {
            Self::Other { .. } => true,
            Self::Unfit(unfit) => unfit.is_lasting(),
            Self::NoSchema | Self::Database(_) => false,
        }
    }
}

async fn ensure_fit(pool: &PgPool, ours: SupportedFolds) -> Result<(), BootstrapError> {
    database::check("DATABASE_URL", &pool.connect_options(), Use::Writing).await?;
    ensure_generation(pool, ours).await
}

/// Makes the first generation, or begins one for a newer fold.
pub(crate) async fn ensure_generation(pool: &PgPool, ours: SupportedFolds) -> Result<(), BootstrapError> {
    if !migrate::is_in_place(pool).await.or_else(missing_is_false)? {
        return Err(BootstrapError::NoSchema);
    }
    let mut db = pool.acquire().await?;
    let mut tx = db.begin().await?;
    // What is folded can be folded again; a generation that a crash of Postgres took back would not be begun again.
    sqlx::query!("set local synchronous_commit = on").execute(&mut *tx).await?;
    // Held to the end: of several projectors that start on an empty database, one makes the generation.
    generation::lock(&mut tx).await?;
    let generations = generation::list(&mut *tx).await?;
    if let Some(status) = generation_to_begin(&generations, ours)? {
        let id = generation::create(&mut tx, ours.newest, status).await?;
        tracing::info!(generation.id = id.0, identity = %ours.newest, status = status.name(), "Began a generation");
    }
    tx.commit().await?;
    Ok(())
}

/// The status of the generation to begin, if there is one to begin.
fn generation_to_begin(generations: &[Generation], ours: SupportedFolds) -> Result<Option<Status>, BootstrapError> {
    let Some(active) = generation::active(generations) else { return Ok(Some(Status::Active)) };
    let is_known = |generation: &Generation| generation.status != Status::Scratch && ours.include(&generation.identity);
    if !active.identity.has_settings_of(&ours.newest) {
        let is_asked_for = generations.iter().any(|generation| is_known(generation) && generation.status.is_followed());
        let other = BootstrapError::Other { found: active.identity, ours: ours.newest };
        return if is_asked_for { Ok(None) } else { Err(other) };
    }
    // One that was retired was rolled back from: beginning it anew would undo that.
    let has_newest = generations.iter().any(|generation| generation.identity == ours.newest && is_known(generation));
    let is_newer = ours.newest.fold_version > active.identity.fold_version;
    Ok((is_newer && !has_newest).then_some(Status::Building))
}

/// Before the first migration there is not even the table that lists them.
fn missing_is_false(err: sqlx::Error) -> sqlx::Result<bool> {
    const UNDEFINED_TABLE: &str = "42P01";
    let code = err.as_database_error().and_then(DatabaseError::code);
    let is_missing = code.is_some_and(|code| code == UNDEFINED_TABLE);
    if is_missing { Ok(false) } else { Err(err) }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use contract::KeyId;

    use super::*;
    use crate::read_models::generation::{GenerationId, Promotion};

    fn identity(fold_version: i32) -> Identity {
        Identity { fold_version, key: KeyId(7), event_id_window_s: 60 }
    }

    fn projector_of(newest: i32) -> SupportedFolds {
        SupportedFolds { oldest_fold: 2, newest: identity(newest) }
    }

    fn there_is(generations: &[(i32, Status)]) -> Vec<Generation> {
        let generation = |(id, (fold, status)): (i32, &(i32, Status))| Generation {
            id: GenerationId(id),
            identity: identity(*fold),
            status: *status,
            promotion: Promotion::IfEqual,
            created_at: DateTime::UNIX_EPOCH,
            retired_at: None,
        };
        (1..).zip(generations).map(generation).collect()
    }

    #[test]
    fn the_first_generation_is_active_at_once() {
        assert_eq!(generation_to_begin(&[], projector_of(3)).expect("settings fit"), Some(Status::Active));
    }

    #[test]
    fn a_newer_fold_begins_its_generation_once() {
        use Status::{Active, Building, Ready, Retired};
        let begins = |generations: &[_], fold| {
            generation_to_begin(&there_is(generations), projector_of(fold)).expect("they fit")
        };
        assert_eq!(begins(&[(2, Active)], 3), Some(Building));
        assert_eq!(begins(&[(2, Active), (3, Building)], 3), None);
        assert_eq!(begins(&[(2, Active), (3, Ready)], 3), None);
        assert_eq!(begins(&[(2, Retired), (3, Active)], 3), None);
        assert_eq!(begins(&[(2, Active), (3, Retired)], 3), None, "it was rolled back");
        assert_eq!(begins(&[(2, Retired), (3, Active)], 2), None, "an older fold is no news");
    }

    #[test]
    fn another_key_is_refused_unless_somebody_has_asked_for_it() {
        let mut generations = there_is(&[(3, Status::Active)]);
        let ours = SupportedFolds { newest: Identity { key: KeyId(8), ..identity(3) }, ..projector_of(3) };
        assert!(matches!(generation_to_begin(&generations, ours), Err(BootstrapError::Other { .. })));
        generations.extend(there_is(&[(3, Status::Building)]));
        generations[1].identity.key = KeyId(8);
        assert_eq!(generation_to_begin(&generations, ours).expect("it is asked for"), None);
    }
}
