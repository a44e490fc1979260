//! Whether reports can be answered, or what is missing.

use std::time::Duration;

use sqlx::migrate::Migrator;

use crate::connections::Connections;
use crate::lease::Lease;

/// What the database is to look like.
static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

/// What is missing. The message is one sentence for an operator.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unready {
    #[error("the database does not answer")]
    NoDatabase,
    #[error("migration {0} is not applied; `projector migrate` applies it")]
    NotMigrated(i64),
    #[error("no generation of the read models is active yet; the projector makes the first one")]
    NoGeneration,
    #[error("the database cannot be asked")]
    Database(#[source] sqlx::Error),
}

impl From<sqlx::Error> for Unready {
    fn from(err: sqlx::Error) -> Self {
        /// What Postgres says of a table that does not exist: nothing was ever migrated.
        const UNDEFINED_TABLE: &str = "42P01";
        match err {
            sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) => Self::NoDatabase,
            sqlx::Error::Database(err) if err.code().as_deref() == Some(UNDEFINED_TABLE) => Self::NotMigrated(newest()),
            err => Self::Database(err),
        }
    }
}

/// Asks for what a report needs, within `timeout`.
pub(crate) async fn check(db: &Connections, timeout: Duration) -> Result<(), Unready> {
    let asking = async {
        let found = sqlx::query!(
            r#"
            select
                exists(select from _sqlx_migrations where version = $1 and success) as "is_migrated!",
                exists(select from generation where status = 'active') as "has_generation!"
            "#,
            newest()
        );
        let mut lease = Lease::take_in_time(db).await?;
        let found = found.fetch_one(&mut *lease).await;
        Ok(lease.end_with(found)?)
    };
    let found = tokio::time::timeout(timeout, asking).await.unwrap_or(Err(Unready::NoDatabase))?;
    match (found.is_migrated, found.has_generation) {
        (false, _) => Err(Unready::NotMigrated(newest())),
        (true, false) => Err(Unready::NoGeneration),
        (true, true) => Ok(()),
    }
}

/// The version of the newest migration that this process knows.
fn newest() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().expect("there is a migration")
}
