//! Generations: complete sets of read models, each built by one fold under one key and one window. One is active, the
//! others are built beside it, wait, or are kept for a rollback.

use std::fmt;

use chrono::{DateTime, Utc};
use contract::KeyId;
use sqlx::{PgConnection, PgExecutor};

/// Names a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GenerationId(pub i32);

impl fmt::Display for GenerationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

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

impl Identity {
    /// Whether both are of one key and one window: they differ in their fold at most.
    pub fn has_settings_of(&self, other: &Self) -> bool {
        (self.key, self.event_id_window_s) == (other.key, other.event_id_window_s)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fold_version, key, event_id_window_s } = self;
        write!(f, "fold {fold_version} with the sketch key {key} and a window of {event_id_window_s} s")
    }
}

/// What a generation is there for; see `migrations/0006_generations.sql`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Folded, behind the active one.
    Building,
    /// As far as the active one, waiting for an operator to promote it.
    Ready,
    /// Reports come from it.
    Active,
    /// Kept for a rollback, as it was.
    Retired,
    /// Built by a verification.
    Scratch,
}

impl Status {
    /// As Postgres has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Building => "building",
            Self::Ready => "ready",
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Scratch => "scratch",
        }
    }

    /// Whether projectors fold the log into it.
    pub fn is_followed(self) -> bool {
        matches!(self, Self::Building | Self::Ready | Self::Active)
    }

    fn named(name: &str) -> Self {
        let all = [Self::Building, Self::Ready, Self::Active, Self::Retired, Self::Scratch];
        all.into_iter().find(|status| status.name() == name).expect("constraint generation_status")
    }
}

/// Whether a generation becomes active once it has caught up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promotion {
    /// An operator is to look at it first.
    ByHand,
    /// If it is equal to the active one, where both are of one identity: otherwise one of them is wrong, and an operator
    /// has to find out which. Never if it went on without a part of the log that the active one has counted.
    IfEqual,
    /// Whatever the comparison says.
    Always,
}

impl Promotion {
    /// As Postgres has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ByHand => "by hand",
            Self::IfEqual => "if equal",
            Self::Always => "always",
        }
    }

    fn named(name: &str) -> Self {
        let all = [Self::ByHand, Self::IfEqual, Self::Always];
        all.into_iter().find(|promotion| promotion.name() == name).expect("constraint generation_promotion")
    }
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// Number of the generation.
    pub id: GenerationId,
    /// What it is.
    pub identity: Identity,
    /// What it is there for.
    pub status: Status,
    /// Whether it becomes active once it has caught up.
    pub promotion: Promotion,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// When reports came from it last.
    pub retired_at: Option<DateTime<Utc>>,
}

/// All generations, the oldest first.
pub async fn list(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<Generation>> {
    let rows = sqlx::query!(
        "select generation_id, fold_version, sketch_key_id, event_id_window_s, status, promotion,
                created_at, retired_at
         from generation
         order by generation_id"
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Generation {
            id: GenerationId(row.generation_id),
            identity: Identity {
                fold_version: row.fold_version,
                key: KeyId(u32::try_from(row.sketch_key_id).unwrap_or_default()),
                event_id_window_s: u32::try_from(row.event_id_window_s).unwrap_or_default(),
            },
            status: Status::named(&row.status),
            promotion: Promotion::named(&row.promotion),
            created_at: row.created_at,
            retired_at: row.retired_at,
        })
        .collect())
}

/// The active one.
pub fn active(generations: &[Generation]) -> Option<&Generation> {
    generations.iter().find(|generation| generation.status == Status::Active)
}

/// Makes one, empty, with its tables.
pub async fn create(db: &mut PgConnection, identity: Identity, status: Status) -> sqlx::Result<GenerationId> {
    let id = sqlx::query_scalar!(
        r#"select create_generation($1, $2, $3, $4) as "generation_id!""#,
        identity.fold_version,
        i64::from(identity.key.0),
        i32::try_from(identity.event_id_window_s).expect("a day has fewer seconds"),
        status.name(),
    )
    .fetch_one(db)
    .await?;
    Ok(GenerationId(id))
}

/// Says how fast one is built, in events a second over all partitions, and what becomes of it then.
pub(crate) async fn set_up(
    db: &mut PgConnection,
    id: GenerationId,
    promotion: Promotion,
    events_per_second_max: Option<i32>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update generation set promotion = $2, events_per_second_max = $3 where generation_id = $1",
        id.0,
        promotion.name(),
        events_per_second_max,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Drops one with its tables, for good.
///
/// # Errors
///
/// The database is unavailable, it is the active one, or reports are in the way: try again later.
pub async fn drop(db: &mut PgConnection, id: GenerationId) -> sqlx::Result<()> {
    sqlx::query!("select drop_generation($1)", id.0).execute(db).await?;
    Ok(())
}

/// Keeps everybody else from making, activating or retiring generations until the transaction ends. Reports go on.
pub(crate) async fn lock(db: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("lock table generation in share row exclusive mode").execute(db).await?;
    Ok(())
}
