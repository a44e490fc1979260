//! The readiness of the service, queried once a second on a connection of its own and answered from memory. So a probe does
//! not wait behind reports, and any number of probes costs Postgres one statement a second.

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

/// The migrations that the database must have.
static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

/// The application name of the connection in `pg_stat_activity`.
const APPLICATION: &str = "tidemark-query-readiness";

/// The pause between two checks: one short statement a second.
const CHECK_PAUSE: Duration = Duration::from_secs(1);

/// The timeout of a check, with connecting. A database that hangs is noticed after this and a pause: 3 s.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// An older check says nothing: two checks that timed out, with the pauses after them.
const AGE_MAX: Duration = Duration::from_secs(6);

/// Why reports cannot be answered. `/readyz` answers with the message.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Unready {
    #[error("the database does not answer")]
    NoDatabase,
    #[error("migration {0} is not applied; `projector migrate` applies it")]
    NotMigrated(i64),
    #[error("no generation of the read models is active yet; the projector makes the first one")]
    NoGeneration,
    #[error("the database cannot be queried")]
    Database(#[source] Arc<sqlx::Error>),
}

impl From<sqlx::Error> for Unready {
    fn from(err: sqlx::Error) -> Self {
        /// The code of a table that does not exist: no migration was ever applied.
        const UNDEFINED_TABLE: &str = "42P01";
        /// The class of codes of a server that starts, stops, or ends a connection.
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

/// The outcome of a check, and when it began.
#[derive(Debug, Clone)]
struct Check {
    at: Instant,
    outcome: Result<(), Unready>,
}

/// The outcome of the last check.
#[derive(Debug, Clone)]
pub(crate) struct Readiness(watch::Receiver<Option<Check>>);

/// Checks the readiness once a second.
pub(crate) struct ReadinessChecks {
    options: PgConnectOptions,
    session: Session,
    last: watch::Sender<Option<Check>>,
}

/// Makes the readiness, and the checks, which have to run beside the server.
pub(crate) fn new(options: PgConnectOptions, session: Session) -> (Readiness, ReadinessChecks) {
    let (last, receiver) = watch::channel(None);
    (Readiness(receiver), ReadinessChecks { options: options.application_name(APPLICATION), session, last })
}

impl Readiness {
    /// Whether reports can be answered. Waits only for the first check after the start.
    pub(crate) async fn current(mut self) -> Result<(), Unready> {
        let first = timeout(CHECK_TIMEOUT + CHECK_PAUSE, self.0.wait_for(Option::is_some)).await;
        let check = first.ok().and_then(Result::ok).and_then(|check| check.clone());
        check.filter(|check| check.at.elapsed() < AGE_MAX).map_or(Err(Unready::NoDatabase), |check| check.outcome)
    }
}

impl ReadinessChecks {
    /// Checks until `shutdown`. The connection is kept from one check to the next, and made anew after a failure.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut kept = None;
        let checks = async {
            loop {
                let at = Instant::now();
                let outcome = timeout(CHECK_TIMEOUT, self.check(&mut kept)).await;
                self.publish(Check { at, outcome: outcome.unwrap_or(Err(Unready::NoDatabase)) });
                sleep(CHECK_PAUSE).await;
            }
        };
        shutdown.run_until_cancelled(checks).await;
    }

    /// Queries what a report needs, and keeps the connection for the next check once it has answered.
    async fn check(&self, kept: &mut Option<PgConnection>) -> Result<(), Unready> {
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

    /// Publishes the outcome of a check. An error without a sentence for operators is logged the first time.
    fn publish(&self, check: Check) {
        let was_unknown = matches!(&*self.last.borrow(), Some(Check { outcome: Err(Unready::Database(_)), .. }));
        if let Err(err @ Unready::Database(_)) = &check.outcome
            && !was_unknown
        {
            let error = format!("{:#}", anyhow::Error::from(err.clone()));
            tracing::warn!(error, "Cannot tell whether reports can be read");
        }
        self.last.send_replace(Some(check));
    }
}

/// The version of the newest migration that this process knows.
fn newest() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().expect("there is a migration")
}
