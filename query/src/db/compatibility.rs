//! Whether the databases can be used at all. What can pass is waited for while everything else goes on; what cannot ends the
//! process, with a sentence.

use std::time::Duration;

use database::{Unfit, Use};
use futures_util::future::try_join_all;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::time::sleep;

/// Between two looks at a database that is away or has no schema yet.
const WAIT_PAUSE: Duration = Duration::from_secs(1);

/// A database, by the variable that names it.
pub(crate) type Named = (&'static str, PgConnectOptions);

/// Why the process cannot do its work with these databases.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error(transparent)]
    Unfit(#[from] Unfit),
    #[error("{0} names another database than DATABASE_URL; it must be a standby of that one")]
    Another(&'static str),
}

/// Answers when a database turns out to be of no use, and never if all can be used.
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

/// Waits until a database says that it can be used.
async fn fit((variable, options): &Named) -> Result<(), Unfit> {
    loop {
        match database::check(variable, options, Use::Reading).await {
            Err(passing) if !passing.is_lasting() => {
                tracing::debug!(error = %passing, "Cannot ask a database whether it can be used");
                sleep(WAIT_PAUSE).await;
            }
            answered => return answered,
        }
    }
}

/// Whether both were migrated in one moment, and so are one.
async fn is_copy(original: &Named, copy: &Named) -> bool {
    loop {
        if let (Ok(original), Ok(copy)) = tokio::join!(migrated_at(original), migrated_at(copy)) {
            return original == copy;
        }
        sleep(WAIT_PAUSE).await;
    }
}

/// When the first migration was applied, which is copied with everything else.
async fn migrated_at((_, options): &Named) -> sqlx::Result<String> {
    let mut db = PgConnection::connect_with(options).await?;
    let applied = "select extract(epoch from installed_on)::text from public._sqlx_migrations order by version limit 1";
    let applied = sqlx::query_scalar(applied).fetch_one(&mut db).await?;
    db.close().await?;
    Ok(applied)
}
