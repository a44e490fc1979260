//! The check whether this version can use the databases. A database that is away, or has no schema yet, is waited for. One
//! that can never be used ends the process.

use std::time::Duration;

use database::{Unfit, Use};
use futures_util::future::try_join_all;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::time::sleep;

/// The pause between two checks of a database that is away or has no schema yet.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// A database, by the variable that names it.
pub(crate) type Named = (&'static str, PgConnectOptions);

/// Why the service cannot use its databases.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error(transparent)]
    Unfit(#[from] Unfit),
    #[error("{0} names another database than DATABASE_URL; it must name a standby of that database")]
    Another(&'static str),
}

/// Returns when a database turns out to be unusable, and never if all can be used.
pub(crate) async fn unusable(databases: Vec<Named>) -> Unusable {
    if let Err(unfit) = try_join_all(databases.iter().map(fit)).await {
        return unfit.into();
    }
    if let [original, copy] = databases.as_slice()
        && !is_copy(original, copy).await
    {
        return Unusable::Another(copy.0);
    }
    std::future::pending().await
}

/// Waits until a database can be used.
async fn fit((variable, options): &Named) -> Result<(), Unfit> {
    loop {
        match database::check(variable, options, Use::Reading).await {
            Err(passing) if !passing.is_lasting() => {
                tracing::debug!(error = %passing, "Cannot ask a database whether it can be used");
                sleep(RETRY_PAUSE).await;
            }
            answered => return answered,
        }
    }
}

/// Whether both were migrated at one moment, and so are copies of one database.
async fn is_copy(original: &Named, copy: &Named) -> bool {
    loop {
        if let (Ok(original), Ok(copy)) = tokio::join!(migrated_at(original), migrated_at(copy)) {
            return original == copy;
        }
        sleep(RETRY_PAUSE).await;
    }
}

/// The time of the first migration, which a standby has from its primary.
async fn migrated_at((_, options): &Named) -> sqlx::Result<String> {
    let mut db = PgConnection::connect_with(options).await?;
    let applied = "select extract(epoch from installed_on)::text from public._sqlx_migrations order by version limit 1";
    let applied = sqlx::query_scalar(applied).fetch_one(&mut db).await?;
    db.close().await?;
    Ok(applied)
}
