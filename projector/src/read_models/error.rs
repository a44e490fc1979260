//! Why a batch is not committed.

use std::time::Duration;

use contract::KeyId;
use contract::sketch::CorruptSketch;
use contract::top_paths::CorruptTopPaths;
use sqlx::error::DatabaseError;

use super::checkpoint::{Moved, Unmoved};

/// Time for all statements of one transaction. After it, transactions that wait for its locks get a try.
pub(crate) const COMMIT_TIMEOUT: Duration = Duration::from_mins(1);

/// Why a batch is not in the read models. Whether it is, is known only by the checkpoint: load it again.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Another owner moved the checkpoint.
    #[error(transparent)]
    Moved(#[from] Moved),
    /// The checkpoint is held where its generation is compared.
    #[error(transparent)]
    Held(Unmoved),
    /// A stored sketch is damaged or of another key. An operator has to look; trying again does not help.
    #[error(transparent)]
    Sketch(#[from] UnusableSketch),
    /// A stored list of top paths is damaged. An operator has to look; trying again does not help.
    #[error(transparent)]
    TopPaths(#[from] CorruptTopPaths),
    /// Postgres refuses a row, and will again: an event in the batch cannot be stored.
    #[error("Postgres refuses an event of a batch")]
    Refused(#[source] sqlx::Error),
    /// Postgres refuses what is kept beside the events of an envelope. An operator has to look; trying again does not help.
    #[error("Postgres refuses what is kept beside events: parked ones, or event ids")]
    Unkept(#[source] sqlx::Error),
    /// Postgres says no, or nothing.
    #[error("committing a batch")]
    Database(#[from] sqlx::Error),
    /// Postgres is there, but does not get anywhere.
    #[error("committing a batch took more than {} seconds", COMMIT_TIMEOUT.as_secs())]
    Timeout,
}

impl From<Unmoved> for CommitError {
    fn from(unmoved: Unmoved) -> Self {
        match unmoved {
            Unmoved::Moved(moved) => Self::Moved(moved),
            held @ Unmoved::Held(_) => Self::Held(held),
        }
    }
}

impl CommitError {
    /// Tells a row that Postgres refuses from what Postgres says about its own state.
    pub(crate) fn classified(self) -> Self {
        match self {
            Self::Database(err) if is_refusal(&err) => Self::Refused(err),
            other => other,
        }
    }
}

/// A stored sketch that nothing can be added to.
#[derive(Debug, thiserror::Error)]
pub enum UnusableSketch {
    /// The bytes of the sketch were changed.
    #[error("the stored sketch of site {site_id} cannot be read")]
    Corrupt {
        /// Site of the users.
        site_id: String,
        /// What is wrong with it.
        source: CorruptSketch,
    },
    /// The sketch is of another key than its generation.
    #[error("the stored sketch of site {site_id} was made with key {found}, not with its generation's")]
    Key {
        /// Site of the users.
        site_id: String,
        /// The key it was made with.
        found: KeyId,
    },
}

/// Whether Postgres will say the same of the same rows: they break a rule of data, of a constraint, of a size, or of a
/// trigger. What else it says is about its own state.
pub(crate) fn is_refusal(err: &sqlx::Error) -> bool {
    /// Data exceptions, constraints, views' checks, limits of the program, and what triggers raise.
    const CLASSES: [&str; 5] = ["22", "23", "44", "54", "P0"];
    let code = err.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| CLASSES.iter().any(|class| code.starts_with(class)))
}
