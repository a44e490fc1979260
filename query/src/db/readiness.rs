//! Whether reports can be answered, or what is missing: looked at again and again on a connection of its own, and told
//! from memory. So a probe neither waits behind reports nor costs Postgres anything, however many there are.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use database::Session;
use sqlx::error::DatabaseError;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// What the database is to look like.
static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

/// As Postgres shows the connection.
const APPLICATION: &str = "tidemark-query-readiness";

/// Between two looks: one short statement a second.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// For one look, with connecting. A database that hangs shows after this and a pause: 3 s.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);

/// A look that is older tells nothing: two that ran out of time, with the pauses after them.
const AGE_MAX: Duration = Duration::from_secs(6);

/// What is missing. The message is one sentence for an operator.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Unready {
    #[error("the database does not answer")]
    NoDatabase,
    #[error("migration {0} is not applied; `projector migrate` applies it")]
    NotMigrated(i64),
    #[error("no generation of the read models is active yet; the projector makes the first one")]
    NoGeneration,
    #[error("the database cannot be asked")]
    Database(#[source] Arc<sqlx::Error>),
}

impl From<sqlx::Error> for Unready {
    fn from(err: sqlx::Error) -> Self {
        /// What Postgres says of a table that does not exist: nothing was ever migrated.
        const UNDEFINED_TABLE: &str = "42P01";
        /// What a server says that starts, stops, or ends a connection.
        const OPERATOR_INTERVENTION: &str = "57P";
        let code = err.as_database_error().and_then(DatabaseError::code).map(Cow::into_owned).unwrap_or_default();
        if matches!(err, sqlx::Error::Io(_)) || code.starts_with(OPERATOR_INTERVENTION) {
            Self::NoDatabase
        } else if code == UNDEFINED_TABLE {
            Self::NotMigrated(newest())
        } else {
            Self::Database(Arc::new(err))
        }
    }
}

/// A look, when it began, and what it showed.
#[derive(Debug, Clone)]
struct Look {
    at: Instant,
    outcome: Result<(), Unready>,
}

/// What the last look showed.
#[derive(Debug, Clone)]
pub(crate) struct Readiness(watch::Receiver<Option<Look>>);

/// Looks again and again.
pub(crate) struct Looks {
    options: PgConnectOptions,
    session: Session,
    last: watch::Sender<Option<Look>>,
}

/// What is told, and what is to run beside the server so that there is something to tell.
pub(crate) fn of(options: PgConnectOptions, session: Session) -> (Readiness, Looks) {
    let (last, told) = watch::channel(None);
    (Readiness(told), Looks { options: options.application_name(APPLICATION), session, last })
}

impl Readiness {
    /// Whether reports can be answered. Waits only for the first look after the start.
    ///
    /// # Errors
    ///
    /// What is missing.
    pub(crate) async fn told(mut self) -> Result<(), Unready> {
        let first = timeout(LOOK_TIMEOUT + LOOK_PAUSE, self.0.wait_for(Option::is_some)).await;
        let look = first.ok().and_then(Result::ok).and_then(|look| look.clone());
        look.filter(|look| look.at.elapsed() < AGE_MAX).map_or(Err(Unready::NoDatabase), |look| look.outcome)
    }
}

impl Looks {
    /// Looks until `shutdown`. A connection is kept from one look to the next, and made anew after one that failed.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut kept = None;
        let looking = async {
            loop {
                let at = Instant::now();
                let looked = timeout(LOOK_TIMEOUT, self.look(&mut kept)).await;
                self.tell(Look { at, outcome: looked.unwrap_or(Err(Unready::NoDatabase)) });
                sleep(LOOK_PAUSE).await;
            }
        };
        shutdown.run_until_cancelled(looking).await;
    }

    /// Asks for what a report needs, and keeps the connection for the next look once it has answered.
    async fn look(&self, kept: &mut Option<PgConnection>) -> Result<(), Unready> {
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let found = sqlx::query!(
            r#"
            select
                exists(select from _sqlx_migrations where version = $1 and success) as "is_migrated!",
                exists(select from generation where status = 'active') as "has_generation!"
            "#,
            newest()
        );
        let found = found.fetch_one(&mut connection).await?;
        *kept = Some(connection);
        match (found.is_migrated, found.has_generation) {
            (false, _) => Err(Unready::NotMigrated(newest())),
            (true, false) => Err(Unready::NoGeneration),
            (true, true) => Ok(()),
        }
    }

    async fn connect(&self) -> sqlx::Result<PgConnection> {
        let mut connection = PgConnection::connect_with(&self.options).await?;
        self.session.apply(&mut connection).await?;
        Ok(connection)
    }

    /// Keeps what a look showed. What nobody has a sentence for is logged when it begins.
    fn tell(&self, look: Look) {
        let was_unknown = matches!(&*self.last.borrow(), Some(Look { outcome: Err(Unready::Database(_)), .. }));
        if let Err(err @ Unready::Database(_)) = &look.outcome
            && !was_unknown
        {
            let error = format!("{:#}", anyhow::Error::from(err.clone()));
            tracing::warn!(error, "Cannot tell whether reports can be read");
        }
        self.last.send_replace(Some(look));
    }
}

/// The version of the newest migration that this process knows.
fn newest() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().expect("there is a migration")
}
