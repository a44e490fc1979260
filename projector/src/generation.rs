//! Which complete set of read models is built: the one of this fold and this key. The first one is made and activated
//! here, because there is nothing before it that a report could come from.

use std::time::Duration;

use contract::KeyId;
use sqlx::error::DatabaseError;
use sqlx::{Connection, PgPool};
use tokio_util::sync::CancellationToken;

use crate::deltas::FOLD_VERSION;
use crate::migrate;

/// Between two looks at a database that is away or has no schema yet.
const WAIT_PAUSE: Duration = Duration::from_secs(1);

/// Names a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GenerationId(pub i32);

/// Why there is no generation to build.
#[derive(Debug, thiserror::Error)]
pub enum GenerationError {
    /// There are read models, but of another fold or key. Adding to them would spoil them.
    #[error(
        "the read models were built by fold {found_fold} with the sketch key {found_key}, this projector is fold \
         {FOLD_VERSION} with the key {key}: give it the SKETCH_KEY they were built with"
    )]
    Other {
        /// The fold that built them.
        found_fold: i32,
        /// The key they were built with.
        found_key: KeyId,
        /// Our key.
        key: KeyId,
    },
    /// The migrations of this version are not applied.
    #[error("the schema is not in place; run `projector migrate`")]
    NoSchema,
    /// Postgres says no, or nothing.
    #[error("looking for the generation")]
    Database(#[from] sqlx::Error),
}

/// The generation to build, once the database has an answer; `None` if the process is to stop before.
///
/// # Errors
///
/// [`GenerationError::Other`]: waiting would not help.
pub async fn wait_for(
    pool: &PgPool,
    key: KeyId,
    shutdown: &CancellationToken,
) -> Result<Option<GenerationId>, GenerationError> {
    let mut said = String::new();
    loop {
        let lack = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(None),
            found = find_or_create(pool, key) => match found {
                Ok(generation) => return Ok(Some(generation)),
                Err(other @ GenerationError::Other { .. }) => return Err(other),
                Err(lack) => lack,
            },
        };
        let lack = format!("{:#}", anyhow::Error::new(lack));
        if lack != said {
            tracing::warn!(reason = lack, "Waiting for the database");
            said = lack;
        }
        tokio::select! {
            () = shutdown.cancelled() => return Ok(None),
            () = tokio::time::sleep(WAIT_PAUSE) => {}
        }
    }
}

async fn find_or_create(pool: &PgPool, key: KeyId) -> Result<GenerationId, GenerationError> {
    if !migrate::is_in_place(pool).await.or_else(missing_is_false)? {
        return Err(GenerationError::NoSchema);
    }
    let mut db = pool.acquire().await?;
    let mut tx = db.begin().await?;
    // Held to the end: of several projectors that start on an empty database, one makes the generation.
    sqlx::query!("lock table generation in share row exclusive mode").execute(&mut *tx).await?;
    let known = sqlx::query!(
        "select generation_id, fold_version, sketch_key_id
         from generation
         where status in ('active', 'building')
         order by status, generation_id desc"
    )
    .fetch_all(&mut *tx)
    .await?;
    let ours = known.iter().find(|row| row.fold_version == FOLD_VERSION && row.sketch_key_id == i64::from(key.0));
    let generation = match (ours, known.first()) {
        (Some(row), _) => row.generation_id,
        (None, Some(row)) => {
            let found_key = KeyId(u32::try_from(row.sketch_key_id).unwrap_or_default());
            return Err(GenerationError::Other { found_fold: row.fold_version, found_key, key });
        }
        (None, None) => {
            sqlx::query_scalar!(
                r#"select create_generation($1, $2, 'active') as "generation_id!""#,
                FOLD_VERSION,
                i64::from(key.0)
            )
            .fetch_one(&mut *tx)
            .await?
        }
    };
    tx.commit().await?;
    tracing::info!(generation.id = generation, fold.version = FOLD_VERSION, key.id = %key, "Building generation");
    Ok(GenerationId(generation))
}

/// Before the first migration there is not even the table that lists them.
fn missing_is_false(err: sqlx::Error) -> sqlx::Result<bool> {
    const UNDEFINED_TABLE: &str = "42P01";
    let code = err.as_database_error().and_then(DatabaseError::code);
    let is_missing = code.is_some_and(|code| code == UNDEFINED_TABLE);
    if is_missing { Ok(false) } else { Err(err) }
}
