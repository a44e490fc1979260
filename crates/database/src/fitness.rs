//! Checks of a database before it is used. A process ends with an error at its start if the database lacks something that
//! the process needs and cannot change, instead of waiting in vain.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection, Row};
use tokio::time::timeout;

/// Timeout of all checks together. Callers retry while the server starts or has no free connection.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);

/// Oldest version with all functions that the schema uses, such as `hash_record_extended` and `bit_xor`.
const OLDEST_VERSION: i32 = 14;

/// Attempts to find two clients on one connection of a pooler that assigns connections in turn.
const POOLER_TRIES: usize = 3;

/// Purpose of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Reading reports.
    Reading,
    /// Writing read models.
    Writing,
}

/// Reason for which a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// The encoding of the database cannot represent all texts.
    #[error(
        "the database of {variable} has the encoding {encoding}, which lacks characters that events have; make another one \
         with `create database NAME template template0 encoding 'UTF8'`"
    )]
    Encoding {
        /// Variable that names the database.
        variable: &'static str,
        /// Encoding of the database.
        encoding: String,
    },
    /// The server is too old.
    #[error("the server of {variable} is Postgres {version}; it must be {OLDEST_VERSION} or newer")]
    Version {
        /// Variable that names the database.
        variable: &'static str,
        /// Version of the server.
        version: i32,
    },
    /// A pooler assigns the server's connections to other clients between transactions.
    #[error(
        "{variable} leads to a pooler that gives a connection to another client after each transaction, and takes settings, \
         prepared statements and LISTEN away with it; set the pooler to `pool_mode = session`, or name Postgres itself"
    )]
    Pooled {
        /// Variable that names the database.
        variable: &'static str,
    },
    /// A pooler refuses a startup parameter.
    #[error("{variable} leads to a pooler that refuses the connection: {message}; take `options` out of the URL")]
    Refused {
        /// Variable that names the database.
        variable: &'static str,
        /// Message of the pooler.
        message: String,
    },
    /// The server is a standby, which may be promoted.
    #[error("the database of {variable} is a standby, which cannot be written")]
    Standby {
        /// Variable that names the database.
        variable: &'static str,
    },
    /// The server does not answer, or refuses.
    #[error("asking the database of {variable} what it is")]
    Database {
        /// Variable that names the database.
        variable: &'static str,
        /// Error of the client.
        source: sqlx::Error,
    },
}

impl Unfit {
    /// Whether retries are useless.
    pub fn is_lasting(&self) -> bool {
        !matches!(self, Self::Standby { .. } | Self::Database { .. })
    }
}

/// Checks the database that `variable` names.
///
/// # Errors
///
/// The database cannot be used, or could not be checked.
pub async fn check(variable: &'static str, options: &PgConnectOptions, purpose: Use) -> Result<(), Unfit> {
    match timeout(CHECK_TIMEOUT, ask(variable, options, purpose)).await {
        Ok(Ok(None)) => Ok(()),
        Ok(Ok(Some(unfit))) => Err(unfit),
        Ok(Err(source)) => Err(refusal(variable, source)),
        Err(_) => Err(Unfit::Database { variable, source: sqlx::Error::PoolTimedOut }),
    }
}

fn refusal(variable: &'static str, source: sqlx::Error) -> Unfit {
    match source.as_database_error().map(|err| err.message().to_owned()) {
        Some(message) if message.starts_with("unsupported startup parameter") => Unfit::Refused { variable, message },
        _ => Unfit::Database { variable, source },
    }
}

async fn ask(variable: &'static str, options: &PgConnectOptions, purpose: Use) -> sqlx::Result<Option<Unfit>> {
    let mut db = PgConnection::connect_with(options).await?;
    // Without a prepared statement, which a pooler may lose.
    let found = sqlx::raw_sql(
        "select current_setting('server_encoding') as encoding,
                current_setting('server_version_num')::int / 10000 as version,
                pg_is_in_recovery() as is_standby",
    );
    let found = found.fetch_one(&mut db).await?;
    let (encoding, version): (String, i32) = (found.try_get("encoding")?, found.try_get("version")?);
    if version < OLDEST_VERSION {
        return Ok(Some(Unfit::Version { variable, version }));
    }
    if encoding != "UTF8" {
        return Ok(Some(Unfit::Encoding { variable, encoding }));
    }
    if is_pooled(&mut db, options).await? {
        return Ok(Some(Unfit::Pooled { variable }));
    }
    let is_standby: bool = found.try_get("is_standby")?;
    db.close().await?;
    Ok((is_standby && purpose == Use::Writing).then_some(Unfit::Standby { variable }))
}

/// Whether two connected clients share a connection of the server, or one client gets several.
async fn is_pooled(one: &mut PgConnection, options: &PgConnectOptions) -> sqlx::Result<bool> {
    let mut other = PgConnection::connect_with(options).await?;
    let first = backend(one).await?;
    for _ in 0..POOLER_TRIES {
        if backend(&mut other).await? == first {
            return Ok(true);
        }
        // The client keeps its connection until the end of the transaction.
        sqlx::raw_sql("begin").execute(&mut other).await?;
        let is_same = backend(&mut other).await? != first && backend(one).await? == first;
        sqlx::raw_sql("rollback").execute(&mut other).await?;
        if !is_same {
            return Ok(true);
        }
    }
    other.close().await?;
    Ok(false)
}

/// Identity of the server process that answers.
async fn backend(db: &mut PgConnection) -> sqlx::Result<String> {
    let backend = sqlx::raw_sql("select pg_backend_pid() || ' ' || pg_postmaster_start_time() as backend");
    backend.fetch_one(db).await?.try_get("backend")
}
