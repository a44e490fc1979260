//! What is asked of a database before it is used. What a process relies on and cannot change is asked at its start: it
//! ends with a sentence instead of waiting for what does not pass.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection, Row};
use tokio::time::timeout;

/// The longest time for all questions together. A caller that waits asks again while the server starts or has no connection left.
const ASKING_MAX: Duration = Duration::from_secs(10);

/// The oldest that has all functions that the schema uses: `hash_record_extended` and `bit_xor` came with it.
const OLDEST_VERSION: i32 = 14;

/// Tries to find two clients on one connection of a pooler that hands them out in turn.
const POOLER_TRIES: usize = 3;

/// What a database is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Reports are read.
    Reading,
    /// Read models are written.
    Writing,
}

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// The database cannot store all texts.
    #[error(
        "the database of {variable} has the encoding {encoding}, which lacks characters that events have; make another one \
         with `create database NAME template template0 encoding 'UTF8'`"
    )]
    Encoding {
        /// Which of our variables names it.
        variable: &'static str,
        /// Its encoding.
        encoding: String,
    },
    /// The server is too old.
    #[error("the server of {variable} is Postgres {version}; it must be {OLDEST_VERSION} or newer")]
    Version {
        /// Which of our variables names it.
        variable: &'static str,
        /// Its version.
        version: i32,
    },
    /// Something stands before it that gives the server's connections to other clients in between.
    #[error(
        "{variable} leads to a pooler that gives a connection to another client after each transaction, and takes settings, \
         prepared statements and LISTEN away with it; set the pooler to `pool_mode = session`, or name Postgres itself"
    )]
    Pooled {
        /// Which of our variables names it.
        variable: &'static str,
    },
    /// Something stands before it that refuses how connections are made.
    #[error("{variable} leads to a pooler that refuses the connection: {message}; take `options` out of the URL")]
    Refused {
        /// Which of our variables names it.
        variable: &'static str,
        /// What it says.
        message: String,
    },
    /// The server is a standby, which may be promoted.
    #[error("the database of {variable} is a standby, which cannot be written")]
    Standby {
        /// Which of our variables names it.
        variable: &'static str,
    },
    /// It does not answer, or says no.
    #[error("asking the database of {variable} what it is")]
    Database {
        /// Which of our variables names it.
        variable: &'static str,
        /// What it said.
        source: sqlx::Error,
    },
}

impl Unfit {
    /// Whether waiting does not help.
    pub fn is_lasting(&self) -> bool {
        !matches!(self, Self::Standby { .. } | Self::Database { .. })
    }
}

/// Asks the database that `variable` names whether it can be used.
///
/// # Errors
///
/// See [`Unfit`].
pub async fn check(variable: &'static str, options: &PgConnectOptions, purpose: Use) -> Result<(), Unfit> {
    match timeout(ASKING_MAX, ask(variable, options, purpose)).await {
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
    // Not prepared: a pooler may lose that.
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

/// Whether two clients that are both connected share a connection of the server, or one of them is given several.
async fn is_pooled(one: &mut PgConnection, options: &PgConnectOptions) -> sqlx::Result<bool> {
    let mut other = PgConnection::connect_with(options).await?;
    let first = backend(one).await?;
    for _ in 0..POOLER_TRIES {
        if backend(&mut other).await? == first {
            return Ok(true);
        }
        // Keeps what it was given to the end of the transaction.
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

/// Which process of which server answers.
async fn backend(db: &mut PgConnection) -> sqlx::Result<String> {
    let backend = sqlx::raw_sql("select pg_backend_pid() || ' ' || pg_postmaster_start_time() as backend");
    backend.fetch_one(db).await?.try_get("backend")
}
