//! Which complete set of read models is built: the one of this fold, this key and this window. The first one is made and activated
//! here, because there is nothing before it that a report could come from.

use std::fmt;
use std::time::Duration;

use contract::KeyId;
use sqlx::error::DatabaseError;
use sqlx::{Connection, PgConnection, PgPool};
use tokio_util::sync::CancellationToken;

use crate::migrate;

/// Between two looks at a database that is away or has no schema yet.
const WAIT_PAUSE: Duration = Duration::from_secs(1);

/// Names a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GenerationId(pub i32);

/// What makes a generation what it is: the same log adds up to the same under the same identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The fold of who builds it.
    pub fold_version: i32,
    /// The key of its sketches and digests.
    pub key: KeyId,
    /// Seconds within which a repeat is recognised.
    pub event_id_window_s: u32,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fold_version, key, event_id_window_s } = self;
        write!(f, "fold {fold_version} with the sketch key {key} and a window of {event_id_window_s} s")
    }
}

/// Why there is no generation to build.
#[derive(Debug, thiserror::Error)]
pub enum GenerationError {
    /// There are read models, but of another fold or key. Adding to them would spoil them.
    #[error(
        "the read models were built by {found}, this projector is {ours}: give it the SKETCH_KEY and the \
         EVENT_ID_WINDOW_S they were built with"
    )]
    Other {
        /// What built them.
        found: Identity,
        /// What we are.
        ours: Identity,
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
    ours: Identity,
    shutdown: &CancellationToken,
) -> Result<Option<GenerationId>, GenerationError> {
    let mut said = String::new();
    loop {
        let lack = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(None),
            found = find_or_create(pool, ours) => match found {
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

async fn find_or_create(pool: &PgPool, ours: Identity) -> Result<GenerationId, GenerationError> {
    if !migrate::is_in_place(pool).await.or_else(missing_is_false)? {
        return Err(GenerationError::NoSchema);
    }
    let mut db = pool.acquire().await?;
    let mut tx = db.begin().await?;
    // Held to the end: of several projectors that start on an empty database, one makes the generation.
    sqlx::query!("lock table generation in share row exclusive mode").execute(&mut *tx).await?;
    let rows = sqlx::query!(
        "select generation_id, fold_version, sketch_key_id, event_id_window_s
         from generation
         where status in ('active', 'building')
         order by status, generation_id desc"
    )
    .fetch_all(&mut *tx)
    .await?;
    let known: Vec<(i32, Identity)> = rows
        .into_iter()
        .map(|row| {
            let key = KeyId(u32::try_from(row.sketch_key_id).unwrap_or_default());
            let event_id_window_s = u32::try_from(row.event_id_window_s).unwrap_or_default();
            (row.generation_id, Identity { fold_version: row.fold_version, key, event_id_window_s })
        })
        .collect();
    let generation = match (known.iter().find(|(_, identity)| *identity == ours), known.first()) {
        (Some((generation, _)), _) => *generation,
        (None, Some((_, found))) => return Err(GenerationError::Other { found: *found, ours }),
        (None, None) => create(&mut tx, ours).await?,
    };
    tx.commit().await?;
    tracing::info!(generation.id = generation, identity = %ours, "Building generation");
    Ok(GenerationId(generation))
}

async fn create(db: &mut PgConnection, ours: Identity) -> sqlx::Result<i32> {
    sqlx::query_scalar!(
        r#"select create_generation($1, $2, $3, 'active') as "generation_id!""#,
        ours.fold_version,
        i64::from(ours.key.0),
        i32::try_from(ours.event_id_window_s).expect("a day has fewer seconds"),
    )
    .fetch_one(db)
    .await
}

/// Before the first migration there is not even the table that lists them.
fn missing_is_false(err: sqlx::Error) -> sqlx::Result<bool> {
    const UNDEFINED_TABLE: &str = "42P01";
    let code = err.as_database_error().and_then(DatabaseError::code);
    let is_missing = code.is_some_and(|code| code == UNDEFINED_TABLE);
    if is_missing { Ok(false) } else { Err(err) }
}
