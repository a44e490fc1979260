//! The schema, brought to this version.

mod rights;

use anyhow::Context as _;
use database::{Session, Use};
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool};

use crate::config::MigrateConfig;

/// All migrations of this version.
pub static MIGRATOR: Migrator = sqlx::migrate!("../migrations");

/// Applies what is missing, and lets the processes' roles log in where passwords are given for them.
///
/// # Errors
///
/// The database is unavailable, the user may not do it, or a migration was changed after it was applied.
pub async fn migrate(config: &MigrateConfig) -> anyhow::Result<()> {
    let options = database::options("DATABASE_URL", config.database_url.with_credentials())?;
    database::check("DATABASE_URL", &options, Use::Writing).await?;
    // One of the statements has passwords in it.
    let mut db = options.disable_statement_logging().connect().await.context("connecting to DATABASE_URL")?;
    let session = Session::of(&[("default_transaction_read_only", "off"), ("statement_timeout", "0")]);
    session.apply(&mut db).await.context("setting the connection up")?;
    check_schema(&mut db).await?;
    MIGRATOR.run(&mut db).await.context("applying migrations")?;
    let version = MIGRATOR.iter().map(|migration| migration.version).max();
    tracing::info!(version, "The schema is in place");
    rights::restore(&mut db).await?;
    for (role, password) in
        [("tidemark_projector", &config.projector_db_password), ("tidemark_query", &config.query_db_password)]
    {
        if let Some(password) = password {
            let_log_in(&mut db, role, password).await.with_context(|| format!("letting {role} log in"))?;
            tracing::info!(role, "The role can log in");
        }
    }
    db.close().await.context("closing the connection")
}

/// All tables lie in one schema, wherever the search path of the database leads.
async fn check_schema(db: &mut PgConnection) -> anyhow::Result<()> {
    let is_there: bool = sqlx::query_scalar("select to_regnamespace('public') is not null").fetch_one(&mut *db).await?;
    anyhow::ensure!(is_there, "the database has no schema `public`, in which the read models lie: create it");
    let may_create = "select has_schema_privilege('public', 'create') \
                      or exists (select from pg_class where oid = to_regclass('public._sqlx_migrations'))";
    let may_create: bool = sqlx::query_scalar(may_create).fetch_one(db).await?;
    anyhow::ensure!(
        may_create,
        "the user of DATABASE_URL may not create tables in the schema `public`: grant it that, or name the database's owner"
    );
    Ok(())
}

/// `alter role` takes no parameters, so Postgres itself writes the statement, with the password quoted.
async fn let_log_in(db: &mut PgConnection, role: &str, password: &str) -> sqlx::Result<()> {
    let statement =
        sqlx::query_scalar!("select format('alter role %I login password %L', $1::text, $2::text)", role, password)
            .fetch_one(&mut *db)
            .await?
            .expect("format of what is not null is not null");
    sqlx::query(AssertSqlSafe(statement)).execute(db).await?;
    Ok(())
}

/// Whether the newest migration of this version is applied.
pub(crate) async fn is_in_place(pool: &PgPool) -> sqlx::Result<bool> {
    let newest = MIGRATOR.iter().map(|migration| migration.version).max().expect("there is a migration");
    let applied =
        sqlx::query_scalar!("select exists (select from _sqlx_migrations where version = $1 and success)", newest)
            .fetch_one(pool)
            .await?;
    Ok(applied.unwrap_or(false))
}
