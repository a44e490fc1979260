//! Reports that Postgres ends in favour of somebody else. On a standby that is how its recovery gets by: what the
//! primary has removed, as the tables of a dropped generation, cannot stay for as long as a report wants to read it.

use crate::instruments;
use crate::stats::StatsError;

/// Transactions that were rolled back so that others get on; 40001 is what a standby says.
const TRANSACTION_ROLLBACK: &str = "40";

/// Whether this was nobody's fault: begun anew, the same can succeed.
pub(crate) fn is_conflict(err: &sqlx::Error) -> bool {
    let code = err.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code.starts_with(TRANSACTION_ROLLBACK))
}

/// Reads, and after a conflict once more at once: recovery has what it wanted then. Who meets a second one leaves it to
/// the client when to ask again.
pub(crate) async fn tried_twice<T, Reading>(read: impl Fn() -> Reading) -> Result<T, StatsError>
where
    Reading: Future<Output = Result<T, StatsError>>,
{
    let mut is_first = true;
    loop {
        match read().await {
            Err(StatsError::Conflict(err)) if is_first => {
                is_first = false;
                tracing::debug!(error = %err, "Reading a report once more");
                instruments::conflicted();
            }
            outcome => return outcome,
        }
    }
}
